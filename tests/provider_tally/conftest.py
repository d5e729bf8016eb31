"""Makes the made-up provider importable by its name, without a test folder on ``sys.path``."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def _load(name: str) -> None:
    spec = spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


for _name in ("tally", "tally_gateway", "tally_runtime"):
    if _name not in sys.modules:
        _load(_name)
