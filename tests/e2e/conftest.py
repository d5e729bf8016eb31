"""Makes what these tests share importable by its name, without a test folder on ``sys.path``."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

for _name in ("supervisor", "payroll_app", "watching", "installation", "reconciliation"):
    if _name not in sys.modules:
        _spec = spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_name] = _module = module_from_spec(_spec)
        _spec.loader.exec_module(_module)
