"""Modules that the tests of one folder share: importable by name, without a test folder on ``sys.path``."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def load_modules(folder: Path, *names: str) -> None:
    """Import these modules of a folder under their own names."""
    for name in names:
        if name not in sys.modules:
            spec = spec_from_file_location(name, folder / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            sys.modules[name] = module = module_from_spec(spec)
            spec.loader.exec_module(module)
