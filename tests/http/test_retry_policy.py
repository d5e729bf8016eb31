"""What an account may want otherwise of its provider's retry table: checked when a client is made, then obeyed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from payments_core.domain.errors import SettingsError
from payments_core.domain.payout import Operation
from payments_core.domain.rates import Priority
from payments_core.http.messages import HttpRequest
from payments_core.provider import Account, PayoutProvider, ProviderSpec, RetryPolicy, overridden
from payments_core.runtime import session_rules
from payments_core.settings import AccountSettings

POLICIES = {"token": RetryPolicy(), "balance": RetryPolicy(attempts=2, deadline_s=60.0)}
PROVIDER = cast("PayoutProvider", SimpleNamespace(binding=lambda _operation: {}))


def account(retry: dict[str, Any]) -> Account:
    operations = frozenset({Operation.TRANSFER})
    spec = ProviderSpec("p", "P", AccountSettings, SimpleNamespace, operations, retry=POLICIES)
    settings = AccountSettings.model_validate({"provider": "p", "currency": "EUR", "retry": retry})
    return Account("mtn-uganda", spec, settings, PROVIDER)


def test_retry_policy_defaults_to_that_of_the_provider() -> None:
    assert account({}).retry == POLICIES


def test_retry_setting_changes_only_what_it_names() -> None:
    """Neither another figure, nor another operation, nor the provider's own table."""
    retry = account({"token": {"attempts": 5, "statuses": [503, 500]}}).retry

    assert retry["token"] == RetryPolicy(attempts=5, statuses=frozenset({500, 503}))
    assert retry["balance"] is POLICIES["balance"]
    assert POLICIES["token"] == RetryPolicy()


def test_request_is_repeated_as_the_account_settings_say() -> None:
    """By the name of its operation; one that is not in the table is sent once."""
    one = account({"balance": {"attempts": 7}})

    def policy(operation: str) -> RetryPolicy:
        return session_rules.policy_of(one, HttpRequest("GET", "http://p.invalid", operation, repeatable=True), None)

    read = session_rules.policy_of(one, HttpRequest("GET", "http://p.invalid", "token"), Priority.READ)
    assert read.statuses == POLICIES["token"].statuses - {429}  # that is for every read of the account, not for one
    assert policy("balance").attempts == 7
    assert policy("token") == POLICIES["token"]
    assert policy("other").attempts == 1


@pytest.mark.parametrize(
    ("retry", "problem"),
    [
        ({"transfer": {"attempts": 2}}, "transfer is no operation that is repeated; there are: token, balance"),
        ({"token": {"sends": 2}}, "token has no sends; there are: attempts, deadline_s, first_wait_s, jitter_s"),
        ({"token": {"attempts": 0}}, "token: attempts must be a whole number from 1 to 10"),
        ({"token": {"attempts": 11}}, "token: attempts must be a whole number from 1 to 10"),
        ({"token": {"attempts": 2.5}}, "token: attempts must be a whole number from 1 to 10"),
        ({"token": {"timeout_s": 0}}, "token: waits, timeout_s and deadline_s must be seconds above 0"),
        ({"token": {"timeout_s": "soon"}}, "token: waits, timeout_s and deadline_s must be seconds above 0"),
        ({"token": {"first_wait_s": 3}}, "token: first_wait_s is longer than longest_wait_s"),
        ({"token": {"timeout_s": 31}}, "token: timeout_s is longer than deadline_s"),
        ({"token": {"statuses": [404]}}, "token: statuses may hold 429 and 500 to 599"),
        ({"token": {"statuses": 404}}, "token: statuses may hold 429 and 500 to 599"),
        ({"token": {"statuses": "503"}}, "token: statuses may hold 429 and 500 to 599"),
        ({"token": {"statuses": [[503]]}}, "token: statuses may hold 429 and 500 to 599"),
        ({"token": {"statuses": {}}}, "token: statuses may hold 429 and 500 to 599"),
        ({"token": {"statuses": None}}, "token: statuses may hold 429 and 500 to 599"),
    ],
)
def test_retry_setting_without_sense_names_account_operation_and_figure(retry: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        account(retry)

    assert refused.value.message.startswith(f"[accounts.mtn-uganda.retry] {problem}")
    assert refused.value.hint


def test_retry_setting_for_a_provider_without_retries_is_refused() -> None:
    with pytest.raises(ValueError, match="there are: none"):
        overridden({}, {"token": {"attempts": 2}})
