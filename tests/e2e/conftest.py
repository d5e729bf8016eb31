"""Makes what these tests share importable by its name."""

from __future__ import annotations

from pathlib import Path

from load_modules import load_modules

load_modules(Path(__file__).parent, "supervisor", "payroll_app", "watching", "installation", "reconciliation")
