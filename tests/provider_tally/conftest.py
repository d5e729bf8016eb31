"""Makes the made-up provider importable by its name."""

from __future__ import annotations

from pathlib import Path

from load_modules import load_modules

load_modules(Path(__file__).parent, "tally", "tally_gateway", "tally_runtime")
