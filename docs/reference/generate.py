"""Writes the reference pages from the code; a test fails when a page is not what this would write.

Run it with both distributions installed: ``python docs/reference/generate.py``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from payments_core import errors, hookspecs
from payments_core.cli import words
from payments_core.events import EventName, meaning
from payments_core.payout import PayoutStatus, ReasonCode
from payments_core.plugins import Plugins
from payments_core.settings import AccountSettings

PAGES = ("settings", "errors", "events", "hooks", "statuses-and-reasons", "command-line")


def page(name: str) -> str:
    """Return one page as it should be."""
    text = {
        "settings": settings_page,
        "errors": errors_page,
        "events": events_page,
        "hooks": hooks_page,
        "statuses-and-reasons": statuses_page,
        "command-line": command_line_page,
    }[name]()
    return text.rstrip() + "\n"


def settings_page() -> str:
    """Every setting, from the settings classes."""
    parts = [
        "# Settings\n",
        "Everything stands in one `payouts.toml`. It is read and checked when a client is made: whatever is wrong is",
        "found there, and never in the middle of a batch. `payouts doctor --init` writes one to fill in.\n",
        table(
            ("table", "setting", "meaning"),
            [
                ("`[installation]`", "`namespace`", "What every reference is derived from. Made once, never changed."),
                ("`[journal]`", "`url`", "`sqlite:///payouts.db`, beside the file, or `sqlite:////absolute/path.db`."),
                ("`[accounts.NAME]`", "see below", "One table for each account; its name is yours to choose."),
            ],
        ),
        "\n## Secrets\n",
        'A secret never stands in the file itself. Write where it is: `"env:NAME"`, `"file:PATH"` (from the folder of',
        "`payouts.toml`), or a form that a plugin with `payments_resolve_secret` understands.\n",
        "\n## Every account\n",
        fields(AccountSettings, AccountSettings.model_fields),
    ]
    for spec in Plugins().providers().values():
        own = [name for name in spec.settings.model_fields if name not in AccountSettings.model_fields]
        parts += [f'\n## Accounts of {spec.title} (`provider = "{spec.name}"`)\n', fields(spec.settings, own)]
    return "\n".join(parts)


def fields(settings: type[AccountSettings], names: Iterable[str]) -> str:
    """Return the table of some settings."""
    rows = []
    for name in names:
        field = settings.model_fields[name]
        default = "required" if field.is_required() else f"`{shown(field.default)}`"
        rows.append((f"`{name}`", default, field.description or ""))
    return table(("setting", "default", "meaning"), rows)


def shown(default: object) -> str:
    """Return a default as one would write it."""
    if isinstance(default, tuple) and len(default) > 12:
        return f"{', '.join(f'{value:g}' for value in default[:10])}, … {default[-1]:g} ({len(default)} waits)"
    return ", ".join(f"{value:g}" for value in default) if isinstance(default, tuple) else str(default)


def errors_page() -> str:
    """The error tree."""
    tree = inspect.cleandoc(errors.__doc__ or "").split("::\n", 1)[1].strip("\n").split("\n\n")[0]
    rows = [
        (f"`{name}`", f"`{kind.code}`", first_sentence(kind))
        for name in errors.__all__
        if (kind := getattr(errors, name))
    ]
    return "\n".join(
        [
            "# Errors\n",
            "An exception means that something must be mended: bad input, bad settings, a journal that cannot be",
            "written. A decline is no exception but a status, and so is not knowing. Every message says what to do",
            "next; none holds a secret or a complete number. On the command line `--json` gives",
            '`{"error": {"code", "message", "hint"}}` on standard error.\n',
            "```text",
            inspect.cleandoc(tree),
            "```\n",
            table(("error", "code", "meaning"), rows),
        ]
    )


def events_page() -> str:
    """Every event."""
    rows = [(f"`{name}`", meaning(name)) for name in EventName]
    return "\n".join(
        [
            "# Events\n",
            "Histories and logs use the same names. The library logs to the standard logger `payments_core`, event",
            "name as the message and the facts as `extra`, and configures nothing; `payments_core.logs.configure()`",
            "prints them for a person or as JSON. An event about a payout carries `payout` (its id), `key` (masked),",
            "`account`, `attempt`, `try` and `status`.\n",
            table(("event", "meaning"), rows),
        ]
    )


def hooks_page() -> str:
    """Every hook, with its arguments."""
    parts = [
        "# Hooks\n",
        f"A plugin is a module named by an entry point of the group `{hookspecs.GROUP}`, whose functions are marked",
        "with `from payments_core import hookimpl`. Arguments go by name; leave out those you do not need. A misspelt",
        "hook or argument is an error at start. `PAYMENTS_DISABLED_PLUGINS=name,name` leaves plugins out.\n",
    ]
    for name in Plugins.hooks():
        function = getattr(hookspecs, name)
        signature = str(inspect.signature(function)).replace("'", "")
        parts += [f"## `{name}{signature}`\n", as_markdown(inspect.getdoc(function) or ""), ""]
    return "\n".join(parts)


def as_markdown(docstring: str) -> str:
    """Return a docstring with its arguments as a list."""
    text, _, arguments = docstring.partition("\nArgs:\n")
    items = [f"- `{line.strip().replace(': ', '`: ', 1)}" for line in arguments.splitlines() if line.strip()]
    return "\n".join([text.replace("``", "`").rstrip(), *(["", *items] if items else [])]).replace("``", "`")


def statuses_page() -> str:
    """Statuses and reasons."""
    return "\n".join(
        [
            "# Statuses and reasons\n",
            table(
                ("status", "final", "meaning"),
                [(f"`{s}`", "yes" if s.is_final else "", words.STATUSES[s]) for s in PayoutStatus],
            ),
            "\nThe neutral code stands in `payout.reason.code`; the provider's own code and words stand beside it in",
            "`payout.reason.provider_code` and `.text`.\n",
            table(("reason", "meaning"), [(f"`{code}`", words.REASONS[code]) for code in ReasonCode]),
        ]
    )


def command_line_page() -> str:
    """Every command with its options, read from the commands themselves."""
    from typer.main import get_command

    from payments_core.cli.app import app
    from payments_core.cli.terminal import COMMON

    root: Any = get_command(app)
    parts = [
        "# Command line\n",
        "Exit codes: 0 done, 1 error, 2 usage, 3 the payout failed, 4 not known yet (pending, unknown, in review,",
        "waiting to be sent). Results go to standard output, progress and logs to standard error. Numbers are masked",
        "unless `--reveal` is given. `payouts COMMAND --help` says the same as this page.\n",
        "## Every command\n",
        "These stand before or after the command.\n",
        options(parameter for parameter in root.params if parameter.name != "help"),
    ]
    for name, command in root.commands.items():
        own = [parameter for parameter in command.params if parameter.name not in {*COMMON, "help"}]
        parts += [f"\n## payouts {name}\n", as_markdown(inspect.cleandoc(command.help or "")) + "\n"]
        parts += [options(own)] if own else []
    return "\n".join(parts)


def options(parameters: Iterable[Any]) -> str:
    """Return the table of a command's options and arguments."""
    rows = []
    for parameter in parameters:
        names = ", ".join(f"`{name}`" for name in parameter.opts)
        rows.append((names, (parameter.help or "").replace("\n", " ")))
    return table(("option", "meaning"), rows)


def first_sentence(thing: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Write every page beside this file."""
    for name in PAGES:
        (Path(__file__).parent / f"{name}.md").write_text(page(name), "utf-8")
        print(f"docs/reference/{name}.md", file=sys.stderr)


if __name__ == "__main__":
    main()
