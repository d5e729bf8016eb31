"""The entry point ``pawapay``: what the core finds when the distribution is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from payments_core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from payments_core.provider import ProviderSpec


@hookimpl
def payments_providers() -> Sequence[ProviderSpec]:
    """Return the one provider of this distribution."""
    from payments_pawapay.spec import SPEC  # here, so that loading the plugin stays light

    return [SPEC]
