"""``payouts providers --conformance``: what became of each promise of a provider, before it is trusted."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from payments_core.cli import exit_codes, output

if TYPE_CHECKING:
    from payments_core.cli.terminal import Terminal

__all__ = ["show"]

NEEDED = ("pytest", "starlette", "uvicorn")


def show(terminal: Terminal, name: str) -> int:
    """Play the conformance suite with one provider and print what became of each promise.

    Args:
        terminal: How it was asked.
        name: Of the provider.

    Raises:
        SettingsError: It brings no sheet, something is not installed, or the suite cannot be played.

    """
    from payments_core.domain.errors import SettingsError
    from payments_core.plugins.manager import Plugins

    spec = Plugins().provider(name)
    if not spec.conformance:
        raise SettingsError(
            f"The provider {spec.name} brings nothing to be tried with: it keeps its promises to itself.",
            hint="Its author can name a sheet of the conformance suite in ProviderSpec.conformance.",
        )
    if missing := [needed for needed in NEEDED if find_spec(needed) is None]:
        raise SettingsError(
            f"The conformance suite needs {' and '.join(missing)}, which is not installed.",
            hint="Install pytest and the server extra: pip install pytest 'payments-core[server]'.",
        )
    from payments_core.testing.conformance import report

    terminal.note(f"Playing every promise of {spec.title} against its own emulator.")
    try:
        verdicts = report.play(spec.conformance)
    except report.NotPlayed as error:
        raise SettingsError(
            f"The promises of {spec.name} could not be played: {error}", hint="Mend or reinstall its distribution."
        ) from None
    if terminal.as_json:
        says = report.promises()
        output.print_json(
            [
                {
                    "promise": verdict.promise,
                    "says": f"{report.in_words(verdict.promise)}. {says[verdict.promise]}".strip(),
                    "state": verdict.state,
                    "why": list(verdict.why),
                }
                for verdict in verdicts
            ]
        )
    else:
        rows = [(report.in_words(one.promise), one.state, "; ".join(one.why)) for one in verdicts]
        output.print_table(("promise", "verdict", "why"), rows)
        counted = {state: sum(one.state == state for one in verdicts) for state in ("kept", "broken", "skipped")}
        terminal.say(", ".join(f"{number} {state}" for state, number in counted.items()) + ".")
    return exit_codes.ERROR if any(one.state == "broken" for one in verdicts) else exit_codes.DONE
