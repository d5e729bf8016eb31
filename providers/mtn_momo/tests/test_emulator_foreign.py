"""What the page says about other clients is what the session runs; the session itself needs a package index."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

FOREIGN = Path(__file__).parent / "foreign"
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "other-clients.md"


def test_foreign_clients_have_version_driver_expectations_and_a_page() -> None:
    spec = importlib.util.spec_from_file_location("foreign_run", FOREIGN / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    page = PAGE.read_text("utf-8")

    names = sorted(path.stem for path in FOREIGN.glob("*.txt"))
    assert names == sorted(run.EXPECTED) == sorted(path.stem.removeprefix("drive_") for path in FOREIGN.glob("drive_*"))
    for name in names:
        pinned = rf"(?m)^({name.replace('_', '-')})==([\d.]+) "
        found = re.search(pinned, (FOREIGN / f"{name}.txt").read_text("utf-8"))
        assert found is not None
        assert f"| `{found[1]}` {found[2]} |" in page
        assert f"## {found[1]} {found[2]}\n" in page
        assert {"token", "transfer", "status"} <= set(run.EXPECTED[name])
        assert [run.EXPECTED[name][step] for step in ("token", "transfer", "status")] == ["True", "True", "SUCCESSFUL"]
