"""Files of payees, written to a folder of the test and read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from payments_core.batch.reading import PayeeFile, RowDefaults, open_rows

Open: TypeAlias = Callable[..., PayeeFile]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Return a function that writes a file and opens it."""

    def open_it(content: str | bytes, *, round_name: str = "", decimal: Any = "", **more: Any) -> PayeeFile:
        path = tmp_path / "people.txt"  # its name says nothing
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        defaults = RowDefaults(lambda _account: "UGX", round_name=round_name, decimal=decimal)
        return open_rows(path, defaults, **more)

    return open_it
