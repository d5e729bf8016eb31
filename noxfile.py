"""The sessions of this repository: `nox -l` lists them, CONTRIBUTING.md says when each is useful.

Tests and the demo run against built wheels, never against the source tree. Everything is installed from `locks/`
with hashes required; our own distributions come from this clone and from nowhere else.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2026.10"
nox.options.error_on_missing_interpreters = False  # a missing Python is named and skipped, also where CI is set
nox.options.download_python = "never"
nox.options.error_on_external_run = True

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
LOCKS = ROOT / "locks"
PROVIDERS = sorted(folder.parent for folder in ROOT.glob("providers/[!_]*/pyproject.toml"))
PROJECTS = [ROOT, *PROVIDERS]
PACKAGES = [marker.parent for project in PROJECTS for marker in sorted(project.glob("payments_*/py.typed"))]
PYTHONS = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))

# Nothing but the session's own site-packages may answer `import payments_core`.
ISOLATED = {"PYTHONPATH": None, "PYTHONSAFEPATH": "1"}
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
    """Run every test against the wheels, on each Python that is found."""
    install(session, "tests")
    run_pytest(session)


@nox.session(python=PYTHONS[0], requires=["wheels"])
def tests_lowest(session: nox.Session) -> None:
    """Run every test with the lowest direct dependencies we allow, on the oldest Python."""
    install(session, "lowest")
    run_pytest(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and spelling; change nothing."""
    install(session, "tools", "codespell", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session(requires=["wheels"])
def types(session: nox.Session) -> None:
    """Check the packages strictly, then what a user of the wheels sees, with two checkers."""
    install(session, "tests")
    install(session, "tools", "mypy", "pyrefly")
    session.run("mypy", *map(str, PACKAGES))
    install_wheels(session)
    with session.chdir("tests/typing"):  # away from the sources, so that both checkers read the installed wheels
        session.run("mypy", "--config-file", str(ROOT / "pyproject.toml"), "api.py")
        session.run("pyrefly", "check", "--python-interpreter-path", f"{session.bin}/python", "api.py")


@nox.session
def layers(session: nox.Session) -> None:
    """Hold the rooms of the house: who may import whom."""
    install(session, "tools", "import-linter")
    session.run("lint-imports", "--no-cache", env=FROM_SOURCE)


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
def demo(session: nox.Session) -> None:
    """Pay twenty people through an emulator that misbehaves; installs what the wheels declare and nothing more."""
    install(session, "tests", *declared_dependencies())
    install_wheels(session)
    session.chdir(session.create_tmp())
    session.run("payouts", "demo", *session.posargs, env=ISOLATED)


@nox.session(default=False, requires=["wheels"])
def bench(session: nox.Session) -> None:
    """Run each program in benchmarks/, or those named after `--`."""
    install(session, "tests")
    install_wheels(session)
    for program in session.posargs or sorted(map(str, ROOT.glob("benchmarks/[!_]*.py"))):
        session.run("python", program, env=ISOLATED)


@nox.session(default=False, requires=["wheels"])
def foreign(session: nox.Session) -> None:
    """Run other people's published clients, unchanged, against the emulators; each in a venv of its own."""
    install(session, "tests")
    install_wheels(session)
    for folder in sorted(ROOT.glob("providers/*/tests/foreign")):
        found = []
        for wanted in sorted(folder.glob("*.txt")):
            venv = Path(session.create_tmp()) / wanted.stem
            session.run("python", "-m", "venv", "--clear", str(venv))
            python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
            session.run(str(python), "-m", "pip", "install", "--quiet", "-r", str(wanted), external=True)
            found.append(f"{wanted.stem}={python}")
        session.run("python", str(folder / "run.py"), *found, env=ISOLATED)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write locks/ anew; `-- --upgrade` takes newer versions, `-- --upgrade-package NAME` takes one."""
    install(session, "tools", "uv")
    group = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    runtime = declared_dependencies()
    compile_lock(session, "nox", group["nox"])
    compile_lock(session, "tests", [*runtime, *group["tests"]])
    compile_lock(session, "tools", group["tools"], "--constraint", "locks/nox.txt", "--constraint", "locks/tests.txt")
    compile_lock(session, "lowest", [*runtime, *group["tests"]], "--resolution", "lowest-direct")


def install(session: nox.Session, lock_name: str, *names: str) -> None:
    """Install from a lock, hashes required: all of it, or only `names` and what they need."""
    path = f"locks/{lock_name}.txt"
    session.install("--require-hashes", *(("--constraint", path, *names) if names else ("--requirement", path)))


def install_wheels(session: nox.Session) -> None:
    """Install what was built from this clone; `pip check` proves that the locks satisfy what it declares."""
    built = map(str, sorted(DIST.glob("*.whl")))
    session.install("--no-deps", "--no-index", "--force-reinstall", *built)
    session.run("python", "-m", "pip", "check")


def run_pytest(session: nox.Session) -> None:
    """Install the wheels and run all tests, or what stands after `--`."""
    install_wheels(session)
    session.run("python", "-m", "pytest", *session.posargs, env=ISOLATED)


def build(session: nox.Session, project: Path, into: Path) -> None:
    """Build the sdist, and the wheel out of that sdist."""
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(into), str(project), silent=True)


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
