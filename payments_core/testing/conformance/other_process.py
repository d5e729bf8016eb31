"""A draft made in another process: this module, run as a program, makes one and prints it.

Another process hashes text otherwise, and may have another time zone, folder and language.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from payments_core.domain.payout import Order
from payments_core.provider import Account
from payments_core.testing.conformance.client_runner import draft_in, office_of
from payments_core.testing.conformance.harness import Scene
from payments_core.testing.conformance.profile import Sheet

__all__ = ["NotMade", "made", "made_elsewhere"]

_PLACE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C"}


class NotMade(RuntimeError):
    """Another process could not make the draft; it says why."""


def made(account: Account, order: Order, namespace: str) -> Mapping[str, Any]:
    """Return a draft and its binding as plain values."""
    draft = draft_in(account, order, namespace=namespace)
    binding = dict(account.provider.binding(order.operation))
    return {"references": dict(draft.references), "request": draft.request.to_json(), "binding": binding}


def made_elsewhere(scene: Scene, key: str) -> Mapping[str, Any]:
    """Return what another process makes of a payment.

    Raises:
        NotMade: It could not.

    """
    kind = type(scene.sheet)
    given = {"file": inspect.getfile(kind), "name": kind.__qualname__, "key": key}
    given |= {"config": str(scene.folder / "payouts.toml"), "account": scene.account}
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    place = _PLACE | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-P", "-m", __name__],
        env={**os.environ, **place},
        cwd=scene.folder,
        input=json.dumps({**given, "table": scene.table()}, default=str),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if ran.returncode:
        raise NotMade(f"another process could not make the draft: {ran.stderr.strip()[-500:]}")
    found: Mapping[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Make ready what standard input tells, and print it."""
    given = json.load(sys.stdin)
    sheet = _sheet(given["file"], given["name"])
    account, table = given["account"], given["table"]
    office = office_of(sheet.spec, Path(given["config"]), account, table, "elsewhere.db", lambda: datetime.now(UTC))
    order = Order(key=given["key"], payee=sheet.payee, amount=sheet.amount, options=sheet.options)
    print(json.dumps(made(office.account(account), order, office.namespace)))  # noqa: T201 - read by who began it
    office.journal.close()


def _sheet(file: str, name: str) -> Sheet:
    spec = importlib.util.spec_from_file_location("sheet", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module at {file}")
    module = sys.modules["sheet"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Sheet = attrgetter(name)(module)()  # so it has to stand at the top of its module
    return found


if __name__ == "__main__":
    main()
