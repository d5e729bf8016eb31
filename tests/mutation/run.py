"""Mutates the engine, one small change at a time, and says which changes its tests did not notice.

    python tests/mutation/run.py FOLDER

The work is mutmut's (``[tool.mutmut]`` in pyproject.toml says what is mutated and which tests are run); it happens on a
copy in FOLDER. Here its results are counted, and what survived is held against ``equivalent.toml``: each survivor has
to stand there with the argument why nobody could notice it, and nothing else may stand there. Ends with 1 when one is
missing or left over, or when fewer than 90 % were killed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EQUIVALENT = HERE / "equivalent.toml"
COPIED = (
    "payments_core",
    "tests/engine",
    "tests/support/flat_records.py",
    "tests/support/load_modules.py",
    "tests/conftest.py",
    "pyproject.toml",
)
BAR = 0.9
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
KILLED = {"killed", "timeout"}  # a change that makes a test hang is noticed as well


class Mutant(NamedTuple):
    """One change; its number in the tool would be another after the next edit of the function.

    Args:
        function: Module and name, as ``decide_submission.waiting``.
        was: The lines that are changed, without their indentation.
        now: What they become; empty where they are taken away.

    """

    function: str
    was: str
    now: str


def main(folder: Path) -> int:
    """Run everything; return the exit code."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    log, memory = folder / "mutmut.log", Path("/dev/shm")  # noqa: S108 no journal of a mutant has to outlive it
    with (
        tempfile.TemporaryDirectory(prefix="payments-mutants-", dir=memory if memory.is_dir() else None) as scratch,
        log.open("w", encoding="utf-8") as file,
    ):
        command = [MUTMUT, "run", "--max-children", str(os.cpu_count() or 1)]
        noticed = Path(scratch, "noticed")
        noticed.touch()
        quick = {"PYTHONPATH": str(HERE), "PYTEST_PLUGINS": "quick", "PAYMENTS_NOTICED": str(noticed)}
        environment = os.environ | {"TMPDIR": scratch, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | quick
        ended = subprocess.run(command, cwd=folder, env=environment, stdout=file, stderr=file, check=False)
    if ended.returncode:
        print(log.read_text("utf-8")[-3000:])
        return ended.returncode
    return described(folder)


def described(folder: Path) -> int:
    """Print what became of the mutants, and whether that is good enough."""
    statuses = dict(line.strip().rsplit(": ", 1) for line in tool(folder, "results", "--all", "true").splitlines())
    modules: dict[str, Counter[str]] = {}
    for name, status in statuses.items():
        modules.setdefault(name.split(".")[2], Counter())[status] += 1
    words = ("killed", "timeout", "survived", "no tests")
    print(f"{'module':12}" + "".join(f"{word:>10}" for word in (*words, "others")))
    for module, counts in sorted(modules.items()):
        others = sum(count for word, count in counts.items() if word not in words)
        print(f"{module:12}" + "".join(f"{counts[word]:10}" for word in words) + f"{others:10}")
    killed = sum(status in KILLED for status in statuses.values())
    share = killed / len(statuses)
    print(f"{killed} of {len(statuses)} killed: {share:.1%}; {len(statuses) - killed} survived")
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # a process for each
        survivors = set(pool.map(partial(mutant, folder), (name for name in statuses if statuses[name] not in KILLED)))
    listed = {Mutant(one["function"], one["was"], one["now"]) for one in entries()}
    measured("mutants of the engine killed", killed, of=len(statuses), share=share)
    measured("mutants without an argument", len(survivors - listed))
    for one in sorted(survivors - listed):
        print(f"\nNobody noticed, and {EQUIVALENT.name} does not say why, in {one.function}:\n{shown(one)}")
    for one in sorted(listed - survivors):
        print(f"\n{EQUIVALENT.name} lists what is killed, or is not there any more, in {one.function}:\n{shown(one)}")
    return int(share < BAR or survivors != listed)


def measured(what: str, figure: float, **facts: float) -> None:
    """Tell the proof a figure, as the tests do."""
    if proof := os.environ.get("PAYMENTS_PROOF"):
        line = {"row": 5, "what": what, "figure": figure, "test": "tests/mutation/run.py", **facts}
        with Path(proof, f"figures-{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def entries() -> list[dict[str, str]]:
    """Return what is listed as equivalent: ``function``, ``was``, ``now``, ``why``."""
    found: list[dict[str, str]] = []
    for group in tomllib.loads(EQUIVALENT.read_text("utf-8"))["because"]:
        assert group["why"].strip()
        found += group["mutants"]
    return found


def mutant(folder: Path, name: str) -> Mutant:
    """Return what a mutant changes."""
    _, _, module, function = name.split(".", 3)
    lines = tool(folder, "show", name).splitlines()
    was, now = (
        "\n".join(line[1:].strip() for line in lines if line.startswith(sign) and not line.startswith(sign * 3))
        for sign in "-+"
    )
    return Mutant(f"{module}.{function.removeprefix('x_').partition('__mutmut_')[0]}", was, now)


def shown(one: Mutant) -> str:
    """Return a mutant as an entry of the list."""
    return f"{{ function = {one.function!r}, was = {one.was!r}, now = {one.now!r} }}"


def tool(folder: Path, *arguments: str) -> str:
    """Ask mutmut something about its results."""
    return subprocess.run([MUTMUT, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
