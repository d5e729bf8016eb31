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
from payments_core.testing.conformance.client_runner import draft_in, runtime_of
from payments_core.testing.conformance.harness import Harness
from payments_core.testing.conformance.profile import Profile

__all__ = ["NotMade", "made", "made_elsewhere"]

_PLACE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C"}


class NotMade(RuntimeError):
    """Another process could not make the draft; the message has its error."""


def made(account: Account, order: Order, namespace: str) -> Mapping[str, Any]:
    """Return a draft and its binding as plain values."""
    draft = draft_in(account, order, namespace=namespace)
    binding = dict(account.provider.binding(order.operation))
    return {"references": dict(draft.references), "request": draft.request.to_json(), "binding": binding}


def made_elsewhere(harness: Harness, key: str) -> Mapping[str, Any]:
    """Return a payment's draft and binding from another process.

    Raises:
        NotMade: The other process failed.

    """
    kind = type(harness.profile)
    given = {"file": inspect.getfile(kind), "name": kind.__qualname__, "key": key}
    given |= {"config": str(harness.folder / "payouts.toml"), "account": harness.account}
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    place = _PLACE | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-P", "-m", __name__],
        env={**os.environ, **place},
        cwd=harness.folder,
        input=json.dumps({**given, "table": harness.table()}, default=str),
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
    """Make the draft described on standard input, and print it."""
    given = json.load(sys.stdin)
    profile = _profile(given["file"], given["name"])
    account, table = given["account"], given["table"]
    runtime = runtime_of(profile.spec, Path(given["config"]), account, table, "elsewhere.db", lambda: datetime.now(UTC))
    order = Order(key=given["key"], payee=profile.payee, amount=profile.amount, options=profile.options)
    print(json.dumps(made(runtime.account(account), order, runtime.namespace)))  # noqa: T201 - the parent process reads it
    runtime.journal.close()


def _profile(file: str, name: str) -> Profile:
    spec = importlib.util.spec_from_file_location("conformance_profile", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module at {file}")
    module = sys.modules["conformance_profile"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Profile = attrgetter(name)(module)()  # so it must be at the top level of its module
    return found


if __name__ == "__main__":
    main()
