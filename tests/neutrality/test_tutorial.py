"""The tutorial's program pays through all three providers, and one line of payouts.toml is all that changes.

That it runs, and what it prints, is tried with the other pages; here stands what must not be in it.
"""

from __future__ import annotations

import re
from pathlib import Path

from payments_core.plugins.manager import Plugins

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial" / "three-providers.md").read_text("utf-8")
RUNS = PAGE.split("\n## 6. ", 1)[1]
LINE = r'default_account = "([\w-]+)"'


def test_tutorial_program_names_no_provider() -> None:
    """No account, no provider, no currency, and nothing of a provider's own distribution."""
    [program] = re.findall(r"```python\n# pay\.py\n(.*?)```", PAGE, re.DOTALL)
    accounts = set(re.findall(LINE, PAGE))
    words = [*Plugins().providers(), *accounts, "account=", "provider", "EUR", "KES", "ZMW"]

    assert len(accounts) == 3
    assert [word for word in words if word in program] == []
    assert set(re.findall(r"from (\w+)", program)) == {"payments_core"}


def test_tutorial_changes_one_line_of_the_configuration() -> None:
    """Between two runs of the program the configuration is written once, with another account in that line."""
    changes = re.findall(r"config\.write_text\((.*)\)\n", RUNS)
    replaced = [re.findall(LINE, change) for change in changes]

    assert len(changes) == 2
    assert [before for before, _ in replaced] + [replaced[-1][1]] == ["mtn-sandbox", "mpesa", "pawapay"]
    assert all(re.sub(LINE, "", change) == "config.read_text().replace('', '')" for change in changes)
    assert RUNS.count("python pay.py ") == 4
