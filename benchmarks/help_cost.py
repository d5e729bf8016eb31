"""What `payouts --help` costs beside `import typer`, with four plugins installed: at most 1.5 times as much.

Whole processes, measured in turn so that a busy machine slows both. Prints JSON; exits 1 above the limit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS = 21
PLUGINS = 4
LIMIT = 1.5
COMMANDS = {
    "help": [str(Path(sys.executable).with_name("payouts")), "--help"],
    "import_typer": [sys.executable, "-c", "import typer"],
}


def install_plugins(folder: Path) -> None:
    """Write distributions whose plugin would take a second to import."""
    for number in range(PLUGINS):
        name = f"slow_plugin_{number}"
        (folder / f"{name}.py").write_text("import time\ntime.sleep(1)\n", "utf-8")
        info = folder / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[payments_core]\nslow{number} = {name}\n", "utf-8")


def seconds(command: list[str], env: dict[str, str]) -> float:
    """Time one process from start to end."""
    started = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> int:
    """Measure both in turn; the first round only warms the caches."""
    with tempfile.TemporaryDirectory() as folder:
        install_plugins(Path(folder))
        env = {**os.environ, "PYTHONPATH": folder, "PYTHONSAFEPATH": "1"}
        rounds = [{name: seconds(command, env) for name, command in COMMANDS.items()} for _ in range(ROUNDS + 1)][1:]
    milliseconds = {name: round(median(one[name] for one in rounds) * 1000, 1) for name in COMMANDS}
    ratio = round(milliseconds["help"] / milliseconds["import_typer"], 2)
    result = {"benchmark": "help_cost", "rounds": ROUNDS, "median_ms": milliseconds, "ratio": ratio, "limit": LIMIT}
    print(json.dumps(result))
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
