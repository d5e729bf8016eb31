"""``payouts callbacks`` and ``payouts serve``: the callback URLs, and the server behind them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from payments_core.cli import exit_codes
from payments_core.cli.terminal import Terminal, command

__all__ = ["callbacks", "serve"]


@command
def callbacks(
    terminal: Terminal,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="The public address of `payouts serve`.")
    ] = "https://HOST",
) -> int:
    """Print the callback URL of each account.

    The last part of a URL is secret: it is masked unless --reveal is given.
    """
    from payments_core.cli import output
    from payments_core.client.inbox import PATH

    if not url.startswith(("https://", "http://")):
        raise typer.BadParameter("--url must begin with https://, as in https://pay.example.org.")
    with terminal.client() as client:
        tokens, counts = client.inbox.tokens, client.inbox.counts()

    def record(account: str) -> dict[str, Any]:
        known = [count for count in counts if count.account == account]
        last = max((count.last_at for count in known), default=None)
        return {
            "account": account,
            "url": f"{url.rstrip('/')}/{PATH}/{tokens[account] if terminal.reveal else '*' * 8}",
            "received": sum(count.count for count in known),
            "unhandled": sum(count.count for count in known if not count.outcome),
            "outcomes": {count.outcome: count.count for count in known if count.outcome},
            "last_at": last.isoformat(timespec="seconds") if last else None,
        }

    def cells(account: str) -> dict[str, str]:
        shown = record(account)
        return {
            "account": account,
            "url": shown["url"],
            "callbacks": str(shown["received"]),
            "not handled yet": str(shown["unhandled"]),
            "latest": shown["last_at"] or "",
        }

    empty = "No account has a provider that sends callbacks."
    output.print_list(terminal, list(tokens), record, cells, empty=empty)
    return exit_codes.DONE


@command
def serve(
    terminal: Terminal,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8600,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="ADDRESS", help="An address or network that may send callbacks; may be repeated."
        ),
    ] = None,
    address_header: Annotated[
        str,
        typer.Option(metavar="NAME", help="Header field in which a proxy writes the client's address."),
    ] = "",
    with_worker: Annotated[
        bool, typer.Option("--with-worker", help="Work on due payouts as well, as `payouts worker` does.")
    ] = False,
) -> int:
    """Listen for callbacks.

    Each callback is stored and acknowledged; a worker then checks its payout, here with --with-worker. Put a proxy with
    TLS in front. At SIGTERM it accepts no new connection, stores received callbacks, finishes payouts in flight, and
    ends with 0; a second signal ends it at once.
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
        terminal.print_events("INFO")
    return asyncio.run(
        callback_server.listen(
            terminal, host=host, port=port, allowed=allow or [], address_header=address_header, worker=worker
        )
    )
