"""``payouts callbacks`` and ``payouts serve``: where providers call back to, and what listens there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from payments_core.domain.inbox_records import InboxCount

__all__ = ["COMMANDS"]


@command
def callbacks(
    terminal: Terminal,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Where `payouts serve` is reached from outside.")
    ] = "https://HOST",
) -> int:
    """Print where each account is called back.

    The last part of an address is secret: it is masked unless --reveal is given.
    """
    from payments_core.cli import output
    from payments_core.client.inbox import PATH

    if not url.startswith(("https://", "http://")):
        raise typer.BadParameter("--url begins with https://, as in https://pay.example.org.")
    with terminal.client() as client:
        tokens, counted = client.inbox.tokens, client.inbox.counts()
        shown = [
            {
                "account": name,
                "url": f"{url.rstrip('/')}/{PATH}/{token if terminal.reveal else '*' * 8}",
                **_inbox_counts(count for count in counted if count.account == name),
            }
            for name, token in tokens.items()
        ]
    if terminal.as_json:
        output.print_json(shown)
    elif not shown:
        terminal.note("No account's provider calls back.")
    else:
        output.print_table(
            ("account", "url", "callbacks", "not handled yet", "last came"),
            [
                (row["account"], row["url"], str(row["received"]), str(row["unhandled"]), row["last_at"] or "")
                for row in shown
            ],
        )
    return exit_codes.DONE


def _inbox_counts(counts: Iterable[InboxCount]) -> dict[str, Any]:
    known = list(counts)
    last = max((count.last_at for count in known), default=None)
    return {
        "received": sum(count.count for count in known),
        "unhandled": sum(count.count for count in known if not count.outcome),
        "outcomes": {count.outcome: count.count for count in known if count.outcome},
        "last_at": last.isoformat(timespec="seconds") if last else None,
    }


@command
def serve(
    terminal: Terminal,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8600,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="ADDRESS", help="Who may call back: an address or network; once for each."),
    ] = None,
    address_header: Annotated[
        str,
        typer.Option(metavar="NAME", help="Header field in which the proxy in front writes the caller's address."),
    ] = "",
    with_worker: Annotated[
        bool, typer.Option("--with-worker", help="Work on due payouts as well, as `payouts worker` does.")
    ] = False,
) -> int:
    """Listen for callbacks.

    Each is kept and acknowledged; its payout is read by whoever works: a worker, here with --with-worker.
    Put a proxy with TLS in front. At SIGTERM it lets nobody new in, keeps what has come, finishes what the worker has
    in flight, and leaves with 0; a second one ends it at once.
    """
    import asyncio  # here: `--help` must not pay for it

    from payments_core.domain.errors import SettingsError

    try:
        from payments_core.cli import callback_server
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"Serving needs {error.name}, which is not installed.",
            hint="Install the server extra: pip install 'payments-core[server]'.",
        ) from None
    worker = terminal.configuration().worker if with_worker else None
    if with_worker and not terminal.is_live:
        terminal.tell_events("INFO")
    return asyncio.run(
        callback_server.listen(
            terminal, host=host, port=port, allowed=allow or [], address_header=address_header, worker=worker
        )
    )


COMMANDS = {"callbacks": callbacks, "serve": serve}
