/* Preloaded into a paying process: logs, in order, what it writes, flushes, truncates, links and unlinks under a folder, and
 * what it sends over sockets. A power loss keeps what was flushed, and of the rest whatever it likes.
 *
 * A record: kind (1 byte), length of the path (4), offset (8), length of the data (8), then path and data; all in the
 * machine's own byte order. W write, S flush of a file or folder, T truncate, L a further name of a file (its first one
 * is the data), U unlink, N sent over a socket. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static int out = -1;

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("FLUSH_LOG");
    root = getenv("FLUSH_ROOT");
    if (log && root) out = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *data, size_t length) {
    const char *next = data;
    while (length) {
        ssize_t done = syscall(SYS_write, out, next, length);
        if (done < 0) _exit(99);
        next += done;
        length -= (size_t)done;
    }
}

static void note(char kind, const char *path, int64_t offset, const void *data, size_t length) {
    int32_t path_length = (int32_t)strlen(path);
    int64_t data_length = (int64_t)length;
    pthread_mutex_lock(&lock);
    put(&kind, 1);
    put(&path_length, 4);
    put(&offset, 8);
    put(&data_length, 8);
    put(path, (size_t)path_length);
    put(data, length);
    pthread_mutex_unlock(&lock);
}

/* The path of a file under the folder; NULL for any other. */
static const char *watched(int fd, char path[4096]) {
    char link[64];
    if (out < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    if (length < 0) return NULL;
    path[length] = 0;
    return strncmp(path, root, strlen(root)) == 0 ? path : NULL;
}

/* Writes are noted before they are made, flushes after: nothing counts as flushed that was not. */
ssize_t write(int fd, const void *data, size_t length) {
    char path[4096];
    if (watched(fd, path)) note('W', path, lseek(fd, 0, SEEK_CUR), data, length);
    return syscall(SYS_write, fd, data, length);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    char path[4096];
    if (watched(fd, path)) note('W', path, offset, data, length);
    return syscall(SYS_pwrite64, fd, data, length, offset);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }
int ftruncate64(int fd, off64_t length) {
    char path[4096];
    if (watched(fd, path)) note('T', path, length, "", 0);
    return (int)syscall(SYS_ftruncate, fd, length);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
static int flushed(int fd, int done) {
    char path[4096];
    if (done == 0 && watched(fd, path)) note('S', path, 0, "", 0);
    return done;
}
int fsync(int fd) { return flushed(fd, (int)syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { return flushed(fd, (int)syscall(SYS_fdatasync, fd)); }
int link(const char *from, const char *to) {
    if (out >= 0 && strncmp(to, root, strlen(root)) == 0) note('L', to, 0, from, strlen(from));
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    if (out >= 0 && strncmp(to, root, strlen(root)) == 0) note('L', to, 0, from, strlen(from));
    return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}
int unlink(const char *path) {
    if (out >= 0 && strncmp(path, root, strlen(root)) == 0) note('U', path, 0, "", 0);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t to_length) {
    if (out >= 0) note('N', "", 0, data, length);
    return syscall(SYS_sendto, fd, data, length, flags, to, to_length);
}
ssize_t send(int fd, const void *data, size_t length, int flags) { return sendto(fd, data, length, flags, NULL, 0); }
