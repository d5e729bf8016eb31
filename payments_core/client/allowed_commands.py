"""Commands that a flow may yield where no account takes part."""

from __future__ import annotations

from payments_core.domain.errors import ProviderBug
from payments_core.engine.commands import (
    AcknowledgeContradictions,
    AppendHistory,
    ApplyTransition,
    CreatePayout,
    JournalCommand,
)
from payments_core.engine.flow import Command
from payments_core.http.messages import HttpRequest

__all__ = ["only_create", "only_journal", "only_request"]


def only_create(command: Command) -> CreatePayout:
    """Return a command that must open a payout: accepting asks for nothing else."""
    if not isinstance(command, CreatePayout):
        raise ProviderBug(f"{type(command).__name__} has no place here.")
    return command


def only_journal(command: Command) -> JournalCommand:
    """Return a command that must be a journal entry: what needs no account asks for nothing else."""
    if not isinstance(command, CreatePayout | ApplyTransition | AppendHistory | AcknowledgeContradictions):
        raise ProviderBug(f"{type(command).__name__} has no place here.")
    return command


def only_request(command: Command) -> HttpRequest:
    """Return a command that must be a request: sending an event asks for nothing else."""
    if not isinstance(command, HttpRequest):
        raise ProviderBug(f"{type(command).__name__} has no place here.")
    return command
