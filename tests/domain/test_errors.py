"""The errors: codes that never change, and messages that help."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback

import pytest

from payments_core.domain import errors
from payments_core.domain.errors import PaymentsError, PayoutInterrupted

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, PaymentsError)}

# Codes are what other people's programs and alerts are written against: only ever added.
CODES = {
    "BatchBudgetReached": "batch_budget_reached",
    "BatchRefused": "batch_refused",
    "DailyLimitReached": "daily_limit_reached",
    "DecisionRefused": "decision_refused",
    "InvalidAmount": "invalid_amount",
    "InvalidArgument": "invalid_argument",
    "InvalidCurrency": "invalid_currency",
    "InvalidPayee": "invalid_payee",
    "InvalidPayout": "invalid_payout",
    "JournalClosed": "journal_closed",
    "JournalDamaged": "journal_damaged",
    "JournalError": "journal_error",
    "JournalIsBackup": "journal_is_backup",
    "JournalLocked": "journal_locked",
    "JournalMissing": "journal_missing",
    "JournalTooNew": "journal_too_new",
    "KeyReused": "key_reused",
    "NamespaceChanged": "namespace_changed",
    "LookupFailed": "lookup_failed",
    "NotSupported": "not_supported",
    "OverRefund": "over_refund",
    "NoRoute": "no_route",
    "PaymentsError": "payments_error",
    "PayoutInterrupted": "payout_interrupted",
    "PluginError": "plugin_invalid",
    "ProviderBug": "provider_bug",
    "ProviderNotInstalled": "provider_not_installed",
    "SecretMissing": "secret_missing",
    "SettingsError": "settings_invalid",
    "UnknownAccount": "unknown_account",
    "UnknownBatch": "unknown_batch",
    "UnknownEvent": "unknown_event",
    "UnknownPayout": "unknown_payout",
}


def test_errors_are_all_exported() -> None:
    assert errors.__all__ == sorted(CLASSES)


def test_error_codes_never_change() -> None:
    assert {name: cls.code for name, cls in CLASSES.items()} == CODES


def test_error_codes_are_unique() -> None:
    assert len({cls.code for cls in CLASSES.values()}) == len(CLASSES)
    assert [name for name, cls in CLASSES.items() if "code" not in vars(cls)] == []


def test_error_text_has_message_and_hint() -> None:
    error = PaymentsError("It is so.", hint="Do this.")

    assert (error.message, error.hint, str(error)) == ("It is so.", "Do this.", "It is so. Do this.")
    assert str(PaymentsError("It is so.")) == "It is so."


@pytest.mark.parametrize(("sent", "expected"), [(True, "It may have been sent."), (False, "It was not sent.")])
def test_payout_interrupted_names_the_payout_and_what_to_do(sent: bool, expected: str) -> None:
    """The message says which payout it is, whether money may move, and what to do."""
    error = PayoutInterrupted("The disk is full", payout_id="po_x", key="k", may_have_been_sent=sent)

    assert str(error) == f"The disk is full (payout po_x). {expected} {error.hint}"
    assert "same key is safe" in error.hint
    assert (error.payout_id, error.key, error.may_have_been_sent) == ("po_x", "k", sent)


ERRORS = [
    PayoutInterrupted("m", payout_id="po_x", key="k", may_have_been_sent=True),
    *(cls("m", hint="h") for cls in CLASSES.values() if cls is not PayoutInterrupted),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_can_be_pickled_and_copied(error: PaymentsError) -> None:
    """A worker process can tell its parent what happened: nothing is lost, and the way there does not break."""
    for back in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(back) is type(error)
        assert str(back) == str(error)
        assert vars(back) == vars(error)


@pytest.mark.parametrize("kind", [one for one in CLASSES.values() if one is not PayoutInterrupted])
def test_error_message_holds_no_control_characters(kind: type[PaymentsError]) -> None:
    """An uncaught traceback is printed as it is: what a provider or a file said is replaced in it before."""
    odd = "a\x1b[2J\x9b1m\u202eb\u200bc\x07\nd"
    error = kind(odd, hint=odd)
    for text in (str(error), error.message, error.hint, *traceback.format_exception(error)):
        assert all(mark.isprintable() or mark == "\n" for mark in text)
    assert error.message == "a\ufffd[2J\ufffd1m\ufffdb\ufffdc\ufffd\nd"
