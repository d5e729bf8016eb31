"""Stand-ins for providers that are not here: the template's account and gateway, shaped as theirs are.

Each breaks what it is named for and nothing else; the facts are those of the providers' own documentation.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "providers" / "_template"))

from payments_core.provider import Facts
from payments_core.testing.emulator.server import Emulator
from payments_template.conformance import TemplateConformance
from payments_template.emulator.gateway import Gateway, Switches
from payments_template.emulator.server import TemplateEmulator
from payments_template.provider import TemplateProvider
from payments_template.spec import SPEC

del sys.path[0]  # whatever else is tested in this process has it from nowhere


class StandIn(TemplateEmulator):
    """The template's emulator with another wire.

    Args:
        gateway: The wire.

    """

    def __init__(self, gateway: type[Gateway]) -> None:
        self.switches = Switches()
        Emulator.__init__(self, gateway(secrets.token_hex(16), self.switches))


def sheet_of(provider: type[TemplateProvider], **facts: Any) -> TemplateConformance:
    """Return how a stand-in is paid with.

    Args:
        provider: Its class.
        facts: The engine decides by these; whatever is left out has its cautious value.

    """
    profile = TemplateConformance()
    profile.spec = replace(SPEC, build=provider, facts=Facts(**facts), retry={})
    return profile
