"""Write the synchronous modules from the asynchronous ones: `python tools/sync_from_async.py`.

`--check` writes nothing, names the modules that are stale, and fails then; `nox -s lint` runs it. The modules are
changed token by token: `async` and `await` go, names are replaced, and ruff sorts the imports and breaks the lines.
What threads and tasks do in different ways is in `payments_core/waiting`. See docs/decisions/0027-sync-from-async.md.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Folders: each module of the first one gives a module of the same name in the second one.
PAIRS = {
    "payments_core/client/asynchronous": "payments_core/client/synchronous",
    "payments_core/runtime/asynchronous": "payments_core/runtime/synchronous",
    "payments_core/batch/asynchronous": "payments_core/batch/synchronous",
    "providers/mtn_momo/payments_mtn_momo/native/asynchronous": (
        "providers/mtn_momo/payments_mtn_momo/native/synchronous"
    ),
}

# Names, in code, strings and comments. `AsyncName` becomes `Name` beside these.
NAMES = {
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "aclosing": "closing",
    "arun_flow": "run_flow",
    "asend_with_retry": "send_with_retry",
    "make_async_transport": "make_transport",
    "open_within_async": "open_within",
}
KEPT = {"AsyncConnection"}  # a name of psycopg

# Modules, in import statements.
MODULES = {
    "h11_async": "h11_sync",
    "asynchronous": "synchronous",
    "tasks": "threads",
}

# Words of docstrings and comments.
PHRASES = {
    "The native clients for an event loop, written by hand; ``synchronous`` is generated from this package.": (
        "The native clients for threads; every module of this package is generated from ``asynchronous``."
    ),
    "on one event loop; an asynchronous context manager.": "may be used from many threads, and is a context manager.",
    "    A cancelled payment may have been sent: treat it as unknown.\n": "",
    "The client for an event loop, written by hand; ``synchronous`` is generated from this package.": (
        "The client for threads; every module of this package is generated from ``asynchronous``."
    ),
    "Batches for an event loop, written by hand; ``synchronous`` is generated from this package.": (
        "Batches for threads; every module of this package is generated from ``asynchronous``."
    ),
    "Sessions and executors for an event loop, written by hand; ``synchronous`` is generated from this package.": (
        "Sessions and executors for threads; every module of this package is generated from ``asynchronous``."
    ),
    """\
    One client serves one event loop and many tasks. A cancelled call leaves its payout as a crash would: the same key,
    or ``resume``, goes on. Close it when done, or use it as an asynchronous context manager.
""": """\
    One client serves many threads. Make it after a fork, close it when done, or use it as a context manager.
""",
    "for one loop in one task": "for one loop in one thread",
    """\
    Asking for the next event acknowledges the one before it. Leaving the loop, by an error, a cancellation or
    ``break``, acknowledges nothing: its event is offered again.
""": """\
    Asking for the next event acknowledges the one before it. Leaving the loop, by an error or ``break``, acknowledges
    nothing: its event is offered again.
""",
}

_ASYNC = re.compile(r"Async(?=[A-Z])")
_WORD = re.compile(r"\w+")
_LEFT = re.compile(r"\b(asyncio|await|async|Awaitable|Coroutine|Async[A-Z]\w*)\b")


def main(arguments: list[str]) -> int:
    """Write what is stale, or only name it."""
    used: set[str] = set()
    stale = [path for path, text in _generated(used) if not path.exists() or path.read_text("utf-8") != text]
    unused = {*NAMES, *MODULES, *PHRASES} - used
    if unused:
        raise SystemExit(f"Never used: {', '.join(sorted(unused))}. Take it out of {Path(__file__).name}.")
    orphans = [path for target in PAIRS.values() for path in sorted((ROOT / target).glob("*.py")) if not _source(path)]
    if "--check" in arguments:
        for path in (*stale, *orphans):
            print(f"{path.relative_to(ROOT)} is stale: run `python tools/sync_from_async.py`.")
        return bool(stale or orphans)
    for path in orphans:
        path.unlink()
    for path, text in _generated(used):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


def _source(target: Path) -> bool:
    """Whether a module of the second folder has a source in the first one."""
    [folder] = (source for source, made in PAIRS.items() if ROOT / made == target.parent)
    return (ROOT / folder / target.name).exists()


def _generated(used: set[str]) -> Iterator[tuple[Path, str]]:
    for source, target in PAIRS.items():
        for path in sorted((ROOT / source).glob("*.py")):
            made = ROOT / target / path.name
            first = f"# Generated by tools/sync_from_async.py from {source}/{path.name}; do not edit.\n"
            if len(first) > 120:  # a line's limit
                first = first.replace(" from ", " from\n# ")
            text = _formatted(first + synchronous(path.read_text("utf-8"), used), made)
            _check(text, made)
            yield made, text


def synchronous(text: str, used: set[str]) -> str:
    """Return the synchronous form of a module.

    Args:
        text: The asynchronous one.
        used: Receives the names and phrases that it contains.

    """
    for phrase, instead in PHRASES.items():
        if phrase in text:
            used.add(phrase)
            text = text.replace(phrase, instead)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    parts, end, is_import = [], 0, False
    for at, token in enumerate(tokens):
        start = offsets[token.start[0] - 1] + token.start[1]
        stop = offsets[token.end[0] - 1] + token.end[1]
        gap = text[end:start]
        end = stop
        if token.type == tokenize.NAME and token.string in {"from", "import"}:
            is_import = True
        elif token.type == tokenize.NEWLINE:
            is_import = False
        new = token.string
        if token.type == tokenize.NAME and new in {"async", "await"}:
            new = ""
        elif token.type == tokenize.NAME:
            new = _renamed(new, MODULES if is_import else {}, used)
        elif token.type in {tokenize.STRING, tokenize.COMMENT}:
            new = _WORD.sub(lambda found: _renamed(found[0], {}, used), new)
        if at and tokens[at - 1].string in {"async", "await"} and tokens[at - 1].type == tokenize.NAME:
            gap = ""
        parts += [gap, new]
    return _without_awaitable("".join(parts))


def _renamed(name: str, modules: dict[str, str], used: set[str]) -> str:
    for table in (NAMES, modules):
        if name in table:
            used.add(name)
            return table[name]
    return name if name in KEPT else _ASYNC.sub("", name)


def _without_awaitable(text: str) -> str:
    """Return `X` for each `Awaitable[X]`; the import goes as an unused one."""
    while (at := text.find("Awaitable[")) >= 0:
        depth, end = 1, at + len("Awaitable[")
        while depth:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
        text = text[:at] + text[at + len("Awaitable[") : end - 1] + text[end:]
    return text


def _formatted(text: str, path: Path) -> str:
    """Return what ruff makes of a module at a path, by the settings of the checkout."""
    for command in (("check", "--select", "I,F401", "--fix"), ("format",)):
        # Fixed arguments, and our own text on standard input.
        ran = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", str(path), "-"],
            input=text,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        if ran.returncode:
            raise SystemExit(f"ruff refuses what becomes of {path}:\n{ran.stdout}{ran.stderr}")
        text = ran.stdout
    return text


def _check(text: str, path: Path) -> None:
    """Refuse a module that does not compile, or that is still asynchronous."""
    compile(text, str(path), "exec")
    for number, line in enumerate(text.splitlines(), 1):
        if (left := _LEFT.search(line)) and left[0] not in KEPT and not line.startswith("# Generated"):
            raise SystemExit(f"{path}:{number}: {left[0]} is left of the asynchronous form.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
