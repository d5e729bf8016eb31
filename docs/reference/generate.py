"""Writes the reference pages from the code; a test fails when a page differs from the output.

A provider's page is in the provider's own folder, so that adding one changes nothing else. Run it with every
distribution installed: ``python docs/reference/generate.py``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pydantic import BaseModel

from payments_core.batch.reading import MEANINGS
from payments_core.cli import messages
from payments_core.domain import errors
from payments_core.domain.contradictions import ProviderStatus
from payments_core.domain.events import EventName, meaning
from payments_core.domain.payout import PayoutStatus, ReasonCode
from payments_core.plugins import hookspecs
from payments_core.plugins.manager import Plugins, found
from payments_core.provider import ProviderSpec, RetryPolicy
from payments_core.routing import OPERATORS, PORTABLE, RouteSettings
from payments_core.settings import AccountSettings, WorkerSettings
from payments_core.settings.types import range_of
from payments_core.testing.conformance import ProviderConformance
from payments_core.testing.conformance.fixtures import why_skipped
from payments_core.webhooks import WebhookSettings
from payments_mtn_momo.api import error_catalog, operations
from payments_mtn_momo.api.error_catalog import Meaning
from payments_mtn_momo.api.parsing import Shape

MOMO_AUTH: Mapping[str, str] = {
    "basic": "API user and key",
    "bearer": "token",
    "oauth2": "consent token",
    "none": "subscription key only",
}
MOMO_WRITERS: Mapping[str, str] = {
    f"@{Shape.KEY_REFUSED}": "about the subscription key",
    f"@{Shape.TOKEN}": "from the token endpoint",
    f"@{Shape.HTML}": "as a page of HTML",
    f"@{Shape.GATEWAY}": "from the gateway",
}
PUBLISHED = (
    ("`payout.succeeded`", "`SUCCEEDED`", "The payee has the money; also when a person decided so in a review."),
    ("`payout.failed`", "`FAILED`", "The attempt failed; also when a person decided so in a review."),
    ("`payout.cancelled`", "`CANCELLED`", "A person cancelled the payout before anything of it was sent."),
    ("`payout.reversed`", "`REVERSED`", "A provider took a payment back (none of the included ones reports that)."),
    ("`payout.review`", "`REVIEW`", "Automatic processing has stopped: a check or a person decides."),
    ("`payout.reissued`", "`CREATED`", "A new attempt began (`attempt`): the payout is `FAILED` no more."),
    ("`payout.contradicted`", "as before", "The provider reported something against a final status, which stays."),
)
PAGES = (
    "settings",
    "errors",
    "events",
    "hooks",
    "statuses-and-reasons",
    "command-line",
    "operations",
    "mtn-momo-answers",
    "conformance",
)


def page(name: str) -> str:
    """Return one page as it should be."""
    text = {
        "settings": settings_page,
        "errors": errors_page,
        "events": events_page,
        "hooks": hooks_page,
        "statuses-and-reasons": statuses_page,
        "command-line": command_line_page,
        "operations": operations_page,
        "mtn-momo-answers": answers_page,
        "conformance": conformance_page,
    }[name]()
    return text.rstrip() + "\n"


def settings_page() -> str:
    """Every setting, from the settings classes."""
    parts = [
        "# Settings\n",
        "All settings are in one `payouts.toml`. It is read and validated when a client is made. `payouts doctor",
        "--init` writes one to fill in.\n",
        table(
            ("table", "setting", "meaning"),
            [
                (
                    "`[installation]`",
                    "`namespace`",
                    "The text from which every reference is derived. Created once, never changed.",
                ),
                (
                    "`[installation]`",
                    "`default_account`",
                    "The account of new payouts when neither the caller nor a plugin names one; not "
                    "beside `[[routes]]`. Optional; a single account is the default.",
                ),
                (
                    "`[journal]`",
                    "`url`",
                    "`sqlite:///payouts.db`, beside the file; `sqlite:////absolute/path.db`; "
                    "`postgresql://user@host/database`, for many processes ([how to](../how-to/run-on-postgresql.md)). "
                    "Or the place of such an address with a password: `env:NAME` or `file:PATH`.",
                ),
                ("`[accounts.NAME]`", "see below", "One table for each account, with a name of your choice."),
                ("`[worker]`", "see below", "Settings of workers; optional."),
                ("`[webhooks.NAME]`", "see below", "Receivers of events; one table for each."),
                (
                    "`[[routes]]`",
                    "see below",
                    "The account of a payout that names none; routes are tried in order.",
                ),
            ],
        ),
        "\n## Secrets\n",
        'Write the place of a secret, not the secret: `"env:NAME"`, `"file:PATH"` (from the folder of',
        "`payouts.toml`), or a form that a plugin with `payments_resolve_secret` understands.\n",
        "The file of a secret (at most 64 KiB) and `payouts.toml` (at most 1 MiB) must be regular files that belong",
        "to you or to root and that no other user can change. A file that its group or everybody may write, or in a",
        "folder where everybody may replace it, is refused. For a symbolic link, both the link and its target are",
        "checked. The same holds for a SQLite journal, whose folder must not be open to all.",
        "Keep secrets at mode 0600; one that others may read is used, with a warning (`secret.exposed`).",
        "The text after `env:` or `file:` appears in a message only if it looks like a name or a path, so a secret",
        "written there by mistake is not shown.\n",
        "\n## Numbers\n",
        "Every number has a range; other values, text and `true` are refused at start. Times are in seconds.\n",
        "\n## Every account\n",
    ]
    parts += [fields(AccountSettings, AccountSettings.model_fields, left_to_providers=True)]
    parts += ["\nEach provider has further settings, on its reference page: `providers/NAME/docs/NAME-reference.md`.\n"]
    parts += ["\n## Workers\n", fields(WorkerSettings, WorkerSettings.model_fields)]
    parts += ["\n## Webhooks\n", fields(WebhookSettings, WebhookSettings.model_fields)]
    parts += ["\n## Routes\n", fields(RouteSettings, RouteSettings.model_fields)]
    parts += [
        f"\nOperators: {', '.join(f'`{key}`' for key in sorted(OPERATORS))}.",
        "\nNumbers move between operators where the data of phonenumbers says so, and in "
        f"{', '.join(f'`{code}`' for code in sorted(PORTABLE))}. [How to choose an account]"
        "(../how-to/choose-an-account.md) explains both.",
    ]
    return "\n".join(parts)


def fields(settings: type[BaseModel], names: Iterable[str], *, left_to_providers: bool = False) -> str:
    """Return the table of some settings; those of every account are required only where no provider knows them."""
    rows = []
    for name in names:
        field = settings.model_fields[name]
        default = "required" if field.is_required() else shown(field.default)
        if field.is_required() and left_to_providers and name != "provider":
            default = "required, unless the provider's page gives a default"
        bounds = range_of(field)
        rows.append(
            (
                f"`{name}`",
                default,
                "" if bounds is None else "{:.12g} to {:.12g}".format(*bounds),
                field.description or "",
            )
        )
    return table(("setting", "default", "range", "meaning"), rows)


def shown(default: object) -> str:
    """Return a default as one would write it."""
    if default is None or default in ((), "", {}, frozenset()):
        return "none"
    if isinstance(default, tuple) and len(default) > 12:
        return f"`{', '.join(f'{value:g}' for value in default[:10])}, … {default[-1]:g}` ({len(default)} waits)"
    return f"`{', '.join(f'{value:g}' for value in default) if isinstance(default, tuple) else default}`"


def error_tree(kind: type[Exception]) -> list[str]:
    """Draw an error and those under it, in the order of the module."""
    lines, below = [kind.__name__], [one for one in vars(errors).values() if kind in getattr(one, "__bases__", ())]
    for number, one in enumerate(below, 1):
        turn, down = ("└── ", "    ") if number == len(below) else ("├── ", "│   ")
        first, *rest = error_tree(one)
        lines += [turn + first, *(down + line for line in rest)]
    return lines


def errors_page() -> str:
    """The errors: as a tree, and what each means."""
    rows = [
        (f"`{name}`", f"`{kind.code}`", first_sentence(kind))
        for name in errors.__all__
        if (kind := getattr(errors, name))
    ]
    return "\n".join(
        [
            "# Errors\n",
            "An exception means bad input, wrong settings, or a journal that cannot be written. A decline is a status,",
            "not an exception, and so is an unknown result. All are in `payments_core.domain.errors`,",
            "`PaymentsError` also in `payments_core`. Every message says what to do next; none holds a secret or",
            "a complete number. On the command line `--json` prints",
            '`{"error": {"code", "message", "hint"}}` on standard error.\n',
            "```text",
            *error_tree(errors.PaymentsError),
            "```\n",
            table(("error", "code", "meaning"), rows),
            "\n[Phone numbers and keys](numbers-and-keys.md) lists the refused ones, with reasons.",
            "\n## Findings about files\n",
            "`payouts batch validate` names a finding by the code of the error that `send` would raise, or by one of",
            "these. A row with a finding is refused, unless it is a warning or a note.\n",
            table(("code", "meaning"), [(f"`{code}`", text) for code, text in MEANINGS.items()]),
        ]
    )


def events_page() -> str:
    """Every event."""
    rows = [(f"`{name}`", meaning(name)) for name in EventName]
    return "\n".join(
        [
            "# Events\n",
            "Histories and logs use the same names. The library logs to the standard logger `payments_core`, with the",
            "event name as the message and the facts as `extra`. `payments_core.logs.configure()` prints them as text",
            "or JSON. An event about a payout carries `payout` (its id), `key` (masked),",
            "`account`, `attempt`, `submission` and `status`.\n",
            table(("event", "meaning"), rows),
            "\n## Events for the application\n",
            "These are written into the outbox in the commit of the change itself: `client.events()` and webhooks",
            "[receive them](../how-to/receive-events.md). `type` is in `PayoutEvent` and in a webhook's body.\n",
            table(("type", "status", "when"), PUBLISHED),
        ]
    )


def hooks_page() -> str:
    """Every hook, with its arguments."""
    parts = [
        "# Hooks\n",
        f"A plugin is a module named by an entry point of the group `{hookspecs.GROUP}`, whose functions are marked",
        "with `from payments_core import hookimpl`. Arguments are passed by name; leave out unused ones. A misspelt",
        "hook or argument is an error at start. `PAYMENTS_DISABLED_PLUGINS=name,name` disables plugins.\n",
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
                [(f"`{s}`", "yes" if s.is_final else "", messages.STATUSES[s]) for s in PayoutStatus],
            ),
            "\nA row of a [batch](../how-to/pay-a-file.md) that has no payout yet is shown as `UNSENT`.",
            "\nThe neutral code is `payout.reason.code`; the provider's own code and text are",
            "`payout.reason.provider_code` and `.text`.\n",
            table(("reason", "meaning"), [(f"`{code}`", messages.REASONS[code]) for code in ReasonCode]),
            "",
            "A final status does not change (but `SUCCEEDED` to `REVERSED`, where a provider reports that). A later",
            "report of the provider against it is in `payout.contradictions`:",
            "the attempt, the time, and the reported status (`provider_status`). `payout.has_open_contradiction` means",
            "that no person has acknowledged it yet: commands exit with 4, and the payout is in `payouts review list`.",
            "Acknowledged or not, the payout is never reissued, and `may_have_been_sent` is true.",
            "",
            table(
                ("provider_status", "meaning"),
                [
                    (f"`{status}`", f"the provider reports that the attempt {messages.CALLED[status]}")
                    for status in ProviderStatus
                ],
            ),
        ]
    )


def command_line_page() -> str:
    """Every command with its options, read from the commands themselves."""
    from typer.main import get_command

    from payments_core.cli.app import app

    root: Any = get_command(app)
    parts = [
        "# Command line\n",
        "Exit codes: 0 done, 1 error, 2 usage, 3 a payout failed or a refused row was skipped, 4 not known yet",
        "(pending, unknown, in review, waiting to be sent, or contradicted by the provider and not acknowledged).",
        "Results go to standard output, progress and logs to standard error. Numbers are masked unless `--reveal` is",
        "given. `payouts COMMAND --help` prints the same text.\n",
        "## Every command\n",
        "These options may come before or after the command.\n",
        options(parameter for parameter in root.params if parameter.name != "help"),
    ]
    commands = dict(root.commands)
    for name, group in root.commands.items():
        commands |= {f"{name} {own}": command for own, command in getattr(group, "commands", {}).items()}
    for name, group in root.commands.items():
        if hasattr(group, "commands"):
            del commands[name]
            commands |= {f"{name} {own}": command for own, command in group.commands.items()}
    return "\n".join([*parts, *command_parts(commands)])


def command_parts(commands: Mapping[str, Any]) -> Iterator[str]:
    """Return the section of each command."""
    from payments_core.cli.terminal import COMMON

    for name, command in commands.items():
        if hasattr(command, "commands"):
            continue
        own = [parameter for parameter in command.params if parameter.name not in {*COMMON, "help"}]
        yield f"\n## payouts {name}\n"
        yield as_markdown(inspect.cleandoc(command.help or "")) + "\n"
        if own:
            yield options(own)


def operations_page() -> str:
    """Every call of MTN's API, and how each is repeated."""
    calls = [
        (
            f"`{row.name}`",
            row.operation_id,
            f"`{row.method} {row.path}`",
            MOMO_AUTH[row.auth],
            " or ".join(map(str, sorted(row.success))),
            "**yes**" if row.moves_money else "no",
            row.source,
        )
        for row in operations.OPERATIONS.values()
    ]
    repeated = [(f"`{row.name}`", *retry_cells(row.retry), row.why) for row in operations.OPERATIONS.values()]
    sources = (inspect.getdoc(operations) or "").split("Sources: ", 1)[1]
    return "\n".join(
        [
            "# MTN MoMo operations\n",
            "Every call of MTN's Disbursements product and of sandbox provisioning, by its name in logs and `retry`. A",
            "call that moves money is never repeated as such: `PayoutClient` reads first and may send it again under",
            "the same reference; with the native clients you do that.\n",
            f"Sources: {sources}\n",
            "## Requests and success\n",
            table(("Operation", "MTN's name", "Request", "Authentication", "Success", "Moves money", "Source"), calls),
            "",
            "## What becomes of a note\n",
            "MTN answers 400 to a note with other characters. So only letters A to Z, digits, blanks, `.`, `_` and",
            "`-` are sent: accents and apostrophes are dropped, other characters become blanks, a note is cut at 60",
            'characters, and an empty note is sent as "Payout". The journal keeps the note as you wrote it, and that',
            "text is part of the order. The native clients change notes in the same way.\n",
            "## Retries\n",
            table(
                (
                    *("Operation", "Sends at most", "First wait", "Longest wait", "Jitter", "One send", "All sends"),
                    *("Answers that qualify", "`Retry-After`", "Why"),
                ),
                repeated,
            ),
        ]
    )


def answers_page() -> str:
    """What each refusal and each reason of a failed payment means."""
    answers = [(momo_answer(key), row) for key, row in error_catalog.ANSWERS.items()]
    answers.append(("anything else", error_catalog.UNLISTED))
    reasons = [(f"`{code}`", row) for code, row in error_catalog.REASONS.items()]
    reasons.append(("anything else", error_catalog.UNLISTED_REASON))
    return "\n".join(
        [
            "# What MTN MoMo's answers mean\n",
            '"Can money have moved?" is about the answer to a payment; a read moves none. If it says perhaps, read the',
            "payment. [Statuses and reasons](statuses-and-reasons.md) has the terms for all providers.\n",
            "## Answers to a request\n",
            meanings_table("Answer", answers),
            "",
            "## Reasons of a failed payment\n",
            meanings_table("Reason", reasons),
        ]
    )


def meanings_table(head: str, rows: Sequence[tuple[str, Meaning]]) -> str:
    """Return what MTN's answers or reasons mean to a person."""
    heads = (head, "What happened", "Can money have moved?", "What to do")
    return table(heads, [(name, row.what, row.money, row.do) for name, row in rows])


def momo_answer(key: tuple[int, str]) -> str:
    """Return an answer's status and who wrote it."""
    status, who = key
    return str(status) if who == "*" else f"{status} {MOMO_WRITERS.get(who, f'`{who}`')}"


def retry_cells(policy: RetryPolicy | None) -> tuple[str, ...]:
    """Return how a call is repeated, in cells."""
    if policy is None:
        return ("1", "–", "–", "–", "–", "–", "none", "–")  # noqa: RUF001 - a dash for people
    answers = ", ".join(map(str, sorted(policy.statuses)))
    seconds = (policy.first_wait_s, policy.longest_wait_s, policy.jitter_s, policy.timeout_s, policy.deadline_s)
    return (str(policy.attempts), *(f"{value:g} s" for value in seconds), f"none at all, {answers}", "honoured")


def conformance_page() -> str:
    """Every promise of the conformance suite."""
    return "\n".join(
        [
            "# What a provider promises\n",
            "Each row is a test of the conformance suite, which every provider inherits;",
            "`payouts providers --conformance NAME` [runs them](../how-to/evaluate-a-provider.md). A skipped promise",
            "has a reason: the provider lacks a capability, or its author explains why. Each provider's reference page",
            "lists them.\n",
            table(
                ("promise", "what it means", "test"),
                [
                    (sentence(name), " ".join((promise.__doc__ or "").split()).replace("``", "`"), f"`{name}`")
                    for name, promise in promises().items()
                ],
            ),
        ]
    )


def promises() -> dict[str, Any]:
    """Return the tests of the conformance suite by name."""
    return {
        name: promise
        for kind in reversed(ProviderConformance.__mro__)
        for name, promise in vars(kind).items()
        if name.startswith("test_")
    }


def sentence(name: str) -> str:
    """Return the name of a promise's test as a sentence without its full stop."""
    promise, _, part = name.removesuffix("]").partition("[")
    return promise.removeprefix("test_").replace("_", " ").capitalize() + (f": `{part}`" if part else "")


def provider_page(spec: ProviderSpec) -> str:
    """What one provider adds: settings, commands, and skipped promises."""
    common = AccountSettings.model_fields
    own = [
        name
        for name, field in spec.settings.model_fields.items()
        if name not in common or (name != "provider" and common[name].is_required() and not field.is_required())
    ]
    parts = [
        f"# {spec.title}: reference\n",
        "## Settings\n",
        f'Of accounts with `provider = "{spec.name}"`, beside those of every account.\n',
        fields(spec.settings, own),
        "\n## What it calls a payment\n",
        f"`{spec.transaction_reference}`: `Payout.provider_reference`." if spec.transaction_reference else "Nothing.",
        *command_parts(brought_by(spec.name)),
        "\n## Skipped promises\n",
    ]
    if not spec.conformance:
        return "\n".join([*parts, "All: it has no conformance profile."])
    profile = resolve_name(spec.conformance)
    skipped = {name: why for name in promises() if (why := why_skipped(profile, name))}
    skipped |= profile.skipped  # with those of which a part is skipped
    rows = [(sentence(name), f"{why.rstrip('.')}.") for name, why in skipped.items()]
    return "\n".join([*parts, table(("promise", "why"), rows) if rows else "None."])


def brought_by(name: str) -> dict[str, Any]:
    """Return the commands that a provider's plugin brings."""
    from typer import Typer
    from typer.main import get_command

    commands: dict[str, Any] = {}
    for plugin in found():
        group = Plugins([plugin]).cli_commands(plugin.name)
        if plugin.name == name and isinstance(group, Typer):
            made: Any = get_command(group)
            commands |= {f"{name} {own}": command for own, command in made.commands.items()}
    return commands


def options(parameters: Iterable[Any]) -> str:
    """Return the table of a command's options and arguments."""
    rows = []
    for parameter in parameters:
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
        default = "" if parameter.default in (None, "") or parameter.default is False else f"`{parameter.default}`"
        rows.append((names, "required" if parameter.required else default, (parameter.help or "").replace("\n", " ")))
    return table(("option", "default", "meaning"), rows)


def first_sentence(thing: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Write every page: those of all beside this file, those of one provider into its folder."""
    root = Path(__file__).parents[2]
    pages = {f"docs/reference/{name}.md": page(name) for name in PAGES}
    for spec in Plugins().providers().values():
        if (root / "providers" / spec.name).is_dir():
            path = f"providers/{spec.name}/docs/{spec.name}-reference.md"
            pages[path] = provider_page(spec).rstrip() + "\n"
    for path, text in pages.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text, "utf-8")
        print(path, file=sys.stderr)


if __name__ == "__main__":
    main()
