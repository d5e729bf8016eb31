"""The sessions of this repository: `nox -l` lists them, CONTRIBUTING.md says when each is useful.

Tests and the demo run against built wheels, never against the source tree. Everything is installed from `locks/`
with hashes required; our own distributions come from this clone and from nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2026.10"
nox.options.error_on_missing_interpreters = False  # a missing Python is named and skipped, also where CI is set
nox.options.download_python = "never"
nox.options.error_on_external_run = True
nox.options.default_venv_backend = "uv"  # docs/decisions/0020

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
LOCKS = ROOT / "locks"
PROVIDERS = sorted(folder.parent for folder in ROOT.glob("providers/[!_]*/pyproject.toml"))
PROJECTS = [ROOT, *PROVIDERS]
PACKAGES = [marker.parent for project in PROJECTS for marker in sorted(project.glob("payments_*/py.typed"))]
PYTHONS = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))

# The same on every Python: installations of many processes, played for a long time; what a provider's words mean, what
# may be shown of them, what a file of payees comes to, what is printed, what pages say, and that benchmarks run.
ONCE = ("batch", "chaos", "cli", "conformance", "crash", "docs", "e2e", "emulator", "interleavings", "maintenance")
ONCE += ("native", "neutrality", "proof", "provider_tally", "redaction", "restore", "routing", "simulation", "table")
ONCE += ("journal/test_crash.py", "journal/test_ordinary_transitions.py", "journal/test_permits.py")
ONCE += ("outbox/test_proof.py", "packaging/test_adding_a_provider.py", "packaging/test_benchmarks.py")
ONCE += ("worker/test_processes.py", "worker/test_serving.py", "worker/test_shares.py")
ONCE += ("test_balances.py", "test_conformance.py", "test_diagnosis.py", "test_emulated.py", "test_failover.py")
ONCE += ("test_switch_platform.py",)

# Where a version of a dependency has a part in what happens.
TOUCHING = ("callbacks", "cli/test_error_output.py", "cli/test_output.py", "cli/test_payouts.py", "domain", "http")
TOUCHING += ("journal/test_entries.py", "journal/test_postgres.py", "outbox/test_webhooks.py", "packaging", "plugins")
TOUCHING += ("runtime", "settings", "test_*.py")

# Nothing but the session's own site-packages may answer `import payments_core`.
ISOLATED = {"PYTHONPATH": None, "PYTHONSAFEPATH": "1"}
# pytest rewrites every test file, for each of its workers; kept, that takes the next session a third of the time.
KEPT = {"PYTHONDONTWRITEBYTECODE": None}
COMPILED = {"UV_COMPILE_BYTECODE": "1"}  # as pip does by itself: a test starts hundreds of processes
FROM_SOURCE = {"PYTHONPATH": os.pathsep.join(str(project) for project in PROJECTS)}


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every distribution into dist/, once per run: wheels from sdists, by locked tools, without an index."""
    install(session, "tools", "build", "hatchling")
    shutil.rmtree(DIST, ignore_errors=True)
    for project in PROJECTS:
        build(session, project, DIST)


@nox.session(python=PYTHONS, requires=["wheels"])
def tests(session: nox.Session) -> None:
    """Run the tests in which a version of Python has a part against the wheels, on each Python that is found."""
    install(session, "tests")
    run_pytest(session, *(f"--ignore={path}" for path in tests_in(*ONCE)))


@nox.session(requires=["wheels"])
def tests_once(session: nox.Session) -> None:
    """Run the other tests, which come out alike on every Python, on the one that runs nox."""
    install(session, "tests")
    run_pytest(session, *tests_in(*ONCE))


@nox.session(python=PYTHONS[0], requires=["wheels"])
def tests_lowest(session: nox.Session) -> None:
    """Run what a dependency has a part in with the lowest direct ones we allow, on the oldest Python."""
    install(session, "lowest")
    once = set(tests_in(*ONCE))
    left_out = [f"--ignore={path}" for path in once if path.endswith(".py")]
    run_pytest(session, *sorted(set(tests_in(*TOUCHING)) - once), *left_out)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, spelling, names and generated modules; change nothing."""
    install(session, "tools", "codespell", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("python", "tools/sync_from_async.py", "--check")
    session.run("python", "tests/packaging/check_names.py", str(ROOT))


@nox.session(requires=["wheels"])
def types(session: nox.Session) -> None:
    """Check the packages strictly, then what a user of the wheels sees, with two checkers."""
    install(session, "tests")
    install(session, "tools", "mypy", "pyrefly")
    shared = ROOT / "tests" / "support"
    session.run("mypy", *map(str, [*PACKAGES, *sorted(shared.glob("[!_]*/"))]), env={"MYPYPATH": str(shared)})
    install_wheels(session)
    with session.chdir("tests/typing"):  # away from the sources, so that both checkers read the installed wheels
        session.run("mypy", "--config-file", str(ROOT / "pyproject.toml"), "api.py")
        session.run("pyrefly", "check", "--python-interpreter-path", f"{session.bin}/python", "api.py")


@nox.session
def layers(session: nox.Session) -> None:
    """Hold the layers: who may import whom."""
    install(session, "tools", "import-linter")
    rules = Path(session.create_tmp()) / "layers.toml"
    rules.write_text(for_every_provider((ROOT / "pyproject.toml").read_text("utf-8")), "utf-8")
    session.run("lint-imports", "--no-cache", "--config", str(rules), env=FROM_SOURCE)


@nox.session(requires=["wheels"])
def package(session: nox.Session) -> None:
    """Check what is inside each distribution, and that each provider builds alone, out of its own folder."""
    install(session, "tools", "build", "hatchling", "packaging")
    session.run("python", "tests/packaging/check_distributions.py", str(DIST), *map(str, PROJECTS))
    for provider in PROVIDERS:
        alone = Path(session.create_tmp()) / "alone"
        shutil.rmtree(alone, ignore_errors=True)
        shutil.copytree(provider, alone / provider.name)
        build(session, alone / provider.name, alone / "dist")
        session.run("python", "tests/packaging/check_distributions.py", str(alone / "dist"), str(provider))


@nox.session(requires=["wheels"])
def template(session: nox.Session) -> None:
    """Make a provider out of the template in an empty folder; look over it, build and install it, play it, and pay."""
    install(session, "tests")
    install(session, "tools", "build", "hatchling", "mypy", "ruff")
    outside = Path(session.create_tmp()) / "outside"
    shutil.rmtree(outside, ignore_errors=True)
    for name in "orange_money", "ab", "a_provider_whose_name_is_long":  # imports sort and lines break by the name
        session.run("python", "providers/_template/new.py", name, str(outside), silent=True)
        tidy(session, outside / name)
    build(session, outside / "orange_money", outside / "dist")
    core = next(DIST.glob("payments_core-*.whl"))
    made = map(str, outside.glob("dist/*.whl"))
    session.install("--no-deps", "--no-index", "--force-reinstall", str(core), *made, env=COMPILED)
    session.run("uv", "pip", "check")
    session.run("mypy", "--config-file", "pyproject.toml", str(outside / "orange_money" / "payments_orange_money"))
    session.run("python", "tests/packaging/pay_outside.py", str(outside / "paid"), "orange_money", env=ISOLATED)
    session.chdir(outside / "orange_money")
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs, env=ISOLATED)


@nox.session(default=False)
def new_provider(session: nox.Session) -> None:
    """Copy the template under the name after `--`: `nox -s new_provider -- orange_money`."""
    install(session, "tools", "ruff")
    session.run("python", "providers/_template/new.py", *session.posargs, str(ROOT / "providers"))
    tidy(session, ROOT / "providers" / session.posargs[0])


@nox.session(requires=["wheels"])
def demo(session: nox.Session) -> None:
    """Pay twenty people through an emulator that misbehaves; installs what the wheels declare and nothing more."""
    install(session, "tests", *declared_dependencies())
    install_wheels(session)
    session.chdir(session.create_tmp())
    session.run("payouts", "demo", *session.posargs, env=ISOLATED)


@nox.session(requires=["wheels"])
def docs(session: nox.Session) -> None:
    """Build the site, pages and docstrings of the wheels, into .nox/docs/tmp/site; a warning is an error."""
    install(session, "docs")
    install_wheels(session)
    site = str(Path(session.create_tmp()) / "site")
    strict = ["-W", "--keep-going", "-n", "-q", "-E"]
    session.run("python", "-m", "sphinx", "-j", "auto", *strict, "docs", site, env=ISOLATED)


@nox.session(default=False, requires=["wheels"])
def bench(session: nox.Session) -> None:
    """Run benchmarks/payouts.py with the arguments after `--`: the bars, or a growth curve."""
    install(session, "tests")
    install_wheels(session)
    beside = {"PYTHONSAFEPATH": None}  # its parts stand beside it
    session.run("python", "benchmarks/payouts.py", *session.posargs, env=ISOLATED | beside)


@nox.session(default=False, requires=["wheels"])
def proof(session: nox.Session) -> None:
    """Measure every figure of the proof's table, print it, and fail if a row fails; `-- --nightly` plays more.

    Chance starts where it always does, whatever PAYMENTS_SEED says: only `-- --seed 20001` has it start elsewhere. What
    was stopped goes on with `-- --continue`: a step that has ended, well or not, is not played again.
    """
    install(session, "tests")
    install_wheels(session)
    plan = tomllib.loads((ROOT / "tests/proof/proof.toml").read_text("utf-8"))
    sizes = "nightly" if "--nightly" in session.posargs else "proof"
    seed = session.posargs[session.posargs.index("--seed") + 1] if "--seed" in session.posargs else None
    folder = begin_proof(session, f"commit {commit_of(session)}, sizes {sizes}, seed {seed}")
    settings: dict[str, str | None] = {name: str(number) for name, number in plan["sizes"][sizes].items()}
    settings["PAYMENTS_SEED"] = seed
    for name, (options, files) in proof_steps(plan).items():
        ended = folder / f"{name}.xml"
        if ended.exists():
            continue
        figures = fresh_folder(folder / name)
        results = figures / "results.xml"
        settings["PAYMENTS_PROOF"] = str(figures)
        # Whatever fails here is judged by the report, which wants to see all of it. One test may take long: a million
        # simulated payouts take more than an hour on two cores.
        longest_s = 6 * 3600 if sizes == "nightly" else 3600
        options = ["-m", "", *options, "-o", f"faulthandler_timeout={longest_s}", f"--junitxml={results}", *files]
        session.run("python", "-m", "pytest", *options, env=ISOLATED | settings, success_codes=range(6))
        results.rename(ended)
    settings["PAYMENTS_PROOF"] = str(fresh_folder(folder / "mutation"))
    # Away from the wheels: what is imported there has to be the changed engine.
    python = fresh_venv(session, "mutation", LOCKS / "mutation.txt")
    mutants = str(Path(session.create_tmp()) / "engine")
    session.run(python, "tests/mutation/run.py", mutants, env=ISOLATED | settings, success_codes=[0, 1], external=True)
    session.run("python", "tests/proof/report.py", str(folder), sizes, env=ISOLATED)


@nox.session(default=False, requires=["wheels"])
def foreign(session: nox.Session) -> None:
    """Run other people's published clients, unchanged, against the emulators; each in a venv of its own."""
    install(session, "tests")
    install_wheels(session)
    for folder in sorted(ROOT.glob("providers/*/tests/foreign")):
        wanted = sorted(folder.glob("*.txt"))
        found = [f"{lock.stem}={fresh_venv(session, lock.stem, lock)}" for lock in wanted]
        session.run("python", str(folder / "run.py"), *found, env=ISOLATED)


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Change the engine in some thousand small ways, and see the tests notice each that is not listed as equivalent."""
    install(session, "mutation")
    session.run("python", "tests/mutation/run.py", str(Path(session.create_tmp()) / "engine"), env=ISOLATED)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write locks/ anew; `-- --upgrade` takes newer versions, `-- --upgrade-package NAME` takes one."""
    install(session, "tools", "uv")
    group = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    runtime = declared_dependencies()
    compile_lock(session, "nox", group["nox"])
    compile_lock(session, "tests", [*runtime, *group["tests"]])
    compile_lock(session, "tools", group["tools"], "--constraint", "locks/nox.txt", "--constraint", "locks/tests.txt")
    compile_lock(session, "mutation", [*runtime, *group["tests"], *group["mutation"]], "--constraint=locks/tests.txt")
    compile_lock(session, "lowest", [*runtime, *group["tests"]], "--resolution", "lowest-direct")
    others = [f"--constraint=locks/{name}.txt" for name in ("nox", "tests", "tools")]
    # One generator for every Python: three of them would not give the same warnings.
    compile_lock(session, "docs", [*runtime, *group["docs"]], *others, "--fork-strategy", "fewest")


def install(session: nox.Session, lock_name: str, *names: str) -> None:
    """Install from a lock, hashes required: all of it, or only `names` and what they need."""
    path = f"locks/{lock_name}.txt"
    wanted = ["--constraint", path, *pinned(path, names)] if names else ["--requirement", path]
    session.install("--require-hashes", *wanted, env=COMPILED)


def pinned(path: str, requirements: Iterable[str]) -> list[str]:
    """Return requirements in the versions of a lock: where hashes are required, each has to name its own."""
    versions = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / path).read_text("utf-8"), re.MULTILINE))
    found = [re.match(r"([\w.-]+)(\[[^\]]*\])?", requirement) for requirement in requirements]
    return sorted({f"{name[0]}=={versions[name[1]]}" for name in found if name})


def install_wheels(session: nox.Session) -> None:
    """Install what was built from this clone; `pip check` proves that the locks satisfy what it declares."""
    built = map(str, sorted(DIST.glob("*.whl")))
    session.install("--no-deps", "--no-index", "--force-reinstall", *built, env=COMPILED)
    session.run("uv", "pip", "check")


def tests_in(*folders: str) -> list[str]:
    """Return folders and files of tests by what they are called, ours and those of each provider."""
    found = [path for project in PROJECTS for folder in folders for path in (project / "tests").glob(folder)]
    return [str(path.relative_to(ROOT)) for path in found]


def run_pytest(session: nox.Session, *chosen: str) -> None:
    """Install the wheels and run the tests that are chosen, or what stands after `--`."""
    install_wheels(session)
    # A file's tests stay together, as they share a gateway; what stands after `--` may say `-n 0`. Much of their time
    # is spent waiting for processes, so more of them run than there are cores.
    spread = ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    with scratch() as memory:
        arguments = [*spread, *(session.posargs or chosen)]
        session.run("python", "-m", "pytest", *arguments, env=ISOLATED | KEPT | memory)


@contextlib.contextmanager
def scratch() -> Iterator[dict[str, str]]:
    """Let tests keep their files in memory where there is room: they flush thousands of journals, and lose no disk.

    A TMPDIR of yours is left as it is. What is there in the end, also of what was killed, goes with the folder.
    """
    memory = Path("/dev/shm")  # noqa: S108
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 2 * 2**30:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="payments-tests-", dir=memory, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # some tests pay as another user, who has to get to the files below
        yield {"TMPDIR": folder}


def commit_of(session: nox.Session) -> str:
    """Return the commit that is checked out, and say so where a file differs from it."""
    found = session.run("git", "describe", "--always", "--abbrev=40", "--dirty", silent=True, external=True)
    return str(found).strip()


def begin_proof(session: nox.Session, what: str) -> Path:
    """Return the folder of a proof: a new one, or with `--continue` the one that holds the steps of the same proof."""
    folder = ROOT / "proof"
    stamp = folder / "what.txt"
    if "--continue" not in session.posargs:
        fresh_folder(folder)
        stamp.write_text(what, "utf-8")
    elif not stamp.exists() or stamp.read_text("utf-8") != what:
        session.error(f"the folder {folder.name} holds no proof of {what}: begin it without --continue")
    return folder


def fresh_folder(folder: Path) -> Path:
    """Make a folder with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def proof_steps(plan: dict[str, Any]) -> dict[str, tuple[list[str], list[str]]]:
    """Return pytest's options and files for each step of the proof; a file belongs to the first that names it."""
    steps: dict[str, tuple[list[str], list[str]]] = {}
    taken: set[str] = set()
    tests = sorted(file for project in PROJECTS for file in project.glob("tests/**/test_*.py"))
    telling, marked = (
        [file for file in tests if word in file.read_text("utf-8")] for word in ("measured(", "mark.proof")
    )
    for step in plan["step"]:
        found = [file for glob in step["paths"] for file in sorted(ROOT.glob(glob))]
        found += telling if step.get("rest") else marked if step.get("marked") else []
        names = dict.fromkeys(file.relative_to(ROOT).as_posix() for file in found)
        files = [name for name in names if name not in taken]
        if files:  # without any, pytest would run everything
            steps[step["name"]] = (step["options"], files)
        taken.update(files)
    return steps


def fresh_venv(session: nox.Session, name: str, lock: Path) -> str:
    """Make an environment beside the session's own, with what a lock holds; return its Python."""
    venv = Path(session.create_tmp()) / name
    python = str(venv / ("Scripts" if os.name == "nt" else "bin") / "python")
    session.run("uv", "venv", "--quiet", "--clear", "--python", str(Path(session.bin, "python")), str(venv))
    session.run(
        "uv", "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock), env=COMPILED
    )
    return python


def build(session: nox.Session, project: Path, into: Path) -> None:
    """Build the sdist, and the wheel out of that sdist."""
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(into), str(project), silent=True)


def for_every_provider(rules: str) -> str:
    """Return the rules of the house with what they say of one provider said of each that is there."""
    packages = [package.name for package in PACKAGES if package.name != "payments_core"]
    return re.sub(
        r'"payments_mtn_momo([^"]*)"', lambda found: ", ".join(f'"{name}{found[1]}"' for name in packages), rules
    )


def tidy(session: nox.Session, provider: Path) -> None:
    """Sort imports and break lines as the provider's name wants it; fails for what that does not mend."""
    ours = f'lint.isort.known-first-party=["payments_core", "payments_{provider.name}"]'
    options = ["--config", str(ROOT / "pyproject.toml"), "--config", ours]
    session.run("ruff", "format", "--quiet", *options, str(provider))
    session.run("ruff", "check", "--fix", "--quiet", *options, str(provider))


def declared_dependencies() -> list[str]:
    """What our distributions and their extras require, apart from each other."""
    declared: set[str] = set()
    for project in PROJECTS:
        table: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
        declared.update(table["dependencies"], *table.get("optional-dependencies", {}).values())
    return sorted(item for item in declared if not re.match(r"payments-", item))


def compile_lock(session: nox.Session, name: str, requirements: list[str], *options: str) -> None:
    """Resolve for every platform and Python at once; no header, no addresses: a lock says what, not from where."""
    source = Path(session.create_tmp()) / f"{name}.in"
    source.write_text("\n".join(requirements), "utf-8")
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", PYTHONS[0]]
    command += ["--strip-extras", "--no-header", "--no-annotate", "--output-file", str(LOCKS / f"{name}.txt")]
    session.run(*command, *options, *session.posargs, str(source))
