"""How the native clients behave on the wire: one token for all, no payment twice, nothing shown that is private."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import socket
import traceback
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from payments_core.domain.errors import SettingsError
from payments_mtn_momo import AsyncDisbursementsClient, DisbursementsClient, MtnMomoSettings, new_reference
from payments_mtn_momo.emulator.tokens import Credentials
from payments_mtn_momo.native import (
    AlreadyUsedError,
    MomoError,
    NotSentError,
    ReadRefused,
    ReadUnanswered,
    RefusedError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from providers.mtn_momo.tests.native.conftest import ExpectedOutcome, Face, Script

NUMBER = "46733123499"
SWIFT = {"attempts": 3, "first_wait_s": 0.001, "longest_wait_s": 0.002, "jitter_s": 0.0}


def pay(client: Any, reference: str = "") -> Any:
    return client.transfer(reference=reference or new_reference(), payee=f"+{NUMBER}", amount="5")


def test_token_is_fetched_once_for_all_calls(client: Face, script: Script) -> None:
    """However many calls start at once, one token is fetched, and it is kept."""
    script.token = []
    script.say_json({"availableBalance": "1", "currency": "EUR"})

    found = client.all_at_once(*[lambda it: it.get_account_balance()] * 12)

    assert [str(one.available_balance) for one in found] == ["1"] * 12
    assert len(script.token_calls()) == 1
    client.get_account_balance()
    assert len(script.token_calls()) == 1


def test_token_refusal_is_shared_by_all_waiters(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    from dataclasses import replace

    script.token = [replace(make_outcome(401, {"error": "invalid_client"}), after_s=0.1)]

    found = client.all_at_once(*[pay] * 6)

    assert {type(one) for one in found} == {RefusedError}
    assert len({one.reference for one in found}) == 6
    assert len(script.token_calls()) == 1


def test_token_is_renewed_before_it_expires(make_client: Callable[..., Face], script: Script) -> None:
    now = [datetime.now(UTC)]
    client = make_client(clock=lambda: now[0])
    script.say_json({"availableBalance": "1"})

    token = client.create_access_token()
    for seconds in (0, 2990, 20):
        now[0] += timedelta(seconds=seconds)
        client.get_account_balance()

    used = [request.headers["authorization"] for request in script.calls()]
    assert used == ["Bearer token-number-1.", "Bearer token-number-1.", "Bearer token-number-2."]
    assert (token.token_type, token.expires_in_s) == ("access_token", 3600)
    assert "token-number" not in f"{token!r} {token}"


def test_refused_token_is_renewed_for_a_read_and_dropped_by_a_payment(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    """A read goes on with a fresh token; a payment is refused, and the caller's next try has a fresh one."""
    script.say(make_outcome(401), make_outcome(200, {"availableBalance": "1"}))
    client.get_account_balance()
    script.say(make_outcome(401), make_outcome(202))
    reference = new_reference()
    with pytest.raises(RefusedError, match="same reference"):
        pay(client, reference)
    pay(client, reference)

    used = [request.headers["authorization"][-2:] for request in script.calls()]
    assert used == ["1.", "2.", "2.", "3."]


def test_refused_subscription_key_drops_no_token(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    script.say(make_outcome(401, {"statusCode": 401, "message": "Access denied due to invalid subscription key."}))

    for _ in range(2):
        with pytest.raises(ReadRefused):
            client.get_account_balance()

    assert (len(script.token_calls()), len(script.calls())) == (1, 2)


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "transfer": pay,
    "deposit_v1": lambda c: c.deposit(reference=new_reference(), payee=f"+{NUMBER}", amount="5", version=1),
    "deposit_v2": lambda c: c.deposit(reference=new_reference(), payee=f"+{NUMBER}", amount="5"),
    "refund_v1": lambda c: c.refund(
        reference=new_reference(), reference_id_to_refund=new_reference(), amount="5", version=1
    ),
    "refund_v2": lambda c: c.refund(reference=new_reference(), reference_id_to_refund=new_reference(), amount="5"),
    "delivery_notification": lambda c: c.send_delivery_notification(new_reference(), "Thank you"),
    "bc_authorize": lambda c: c.authorize_consent(NUMBER),
    "oauth2_token": lambda c: c.create_oauth2_token("an-id"),
}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("ended", ["hang up", "503", "429", "timeout"])
def test_calls_with_an_effect_are_never_sent_twice(
    make_client: Callable[..., Face],
    script: Script,
    make_outcome: Callable[..., ExpectedOutcome],
    name: str,
    ended: str,
) -> None:
    """The server counts one request, whatever became of its answer; a lost answer is unknown, not failed."""
    from dataclasses import replace

    answers = {
        "hang up": replace(make_outcome(202), hang_up=True),
        "timeout": replace(make_outcome(202), after_s=2.0),
        "503": make_outcome(503, "", **{"Retry-After": "0"}),
        "429": make_outcome(429, "", **{"Retry-After": "0"}),
    }
    client = make_client(timeout_s=1.0 if ended == "timeout" else 5.0)
    client.create_access_token()
    script.say(answers[ended])

    with pytest.raises(RefusedError if ended == "429" else UnknownOutcomeError):
        ACTIONS[name](client)

    assert len(script.calls()) == 1


def test_read_is_retried_by_its_policy(
    make_client: Callable[..., Face], script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    client = make_client(retry={"balance": SWIFT})
    script.say(make_outcome(500), make_outcome(503), make_outcome(200, {"availableBalance": "7"}))
    found = client.get_account_balance()
    script.say(make_outcome(500))
    with pytest.raises(ReadUnanswered):
        client.get_account_balance()

    assert str(found.available_balance) == "7"
    assert len(script.calls()) == 6


def test_account_settings_apply_unless_a_call_overrides_them(
    form: str, script: Script, held: Credentials, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    """``retry`` and ``callback_url`` of the settings are kept to; an argument of a call counts more."""
    own = "http://pay.example.org/own"
    settings = MtnMomoSettings(
        target_environment="sandbox",
        **{name: getattr(held, name) for name in ("api_user", "api_key", "subscription_key")},
        base_url=script.url,
        callback_url=own,
        retry={"balance": SWIFT | {"attempts": 2}},
    )
    script.say(make_outcome(503))
    more = [{}, {"callback_url": "http://pay.example.org/other"}, {"callback_url": ""}]
    payments = [{"reference": new_reference(), "payee": NUMBER, "amount": 5, **one} for one in more]

    async def on_a_loop() -> None:
        async with AsyncDisbursementsClient(settings) as client:
            with pytest.raises(ReadUnanswered):
                await client.get_account_balance()
            script.say(make_outcome(202))
            for payment in payments:
                await client.transfer(**payment)

    if form == "async":
        asyncio.run(on_a_loop())
    else:
        with DisbursementsClient(settings) as client:
            with pytest.raises(ReadUnanswered):
                client.get_account_balance()
            script.say(make_outcome(202))
            for payment in payments:
                client.transfer(**payment)

    calls = script.calls()
    assert [call.method for call in calls] == ["GET"] * 2 + ["POST"] * 3
    sent_to = [call.headers.get("x-callback-url") for call in calls[2:]]
    assert sent_to == [own, "http://pay.example.org/other", None]
    with pytest.raises(SettingsError, match="no operation that is repeated"):
        DisbursementsClient(settings.model_copy(update={"retry": {"transfer": {"attempts": 9}}}))


def test_request_that_never_left_is_not_sent(make_client: Callable[..., Face], script: Script) -> None:
    """The address has no listener: proven not sent, and no money moved."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    client = make_client(base_url=address)

    with pytest.raises(NotSentError) as caught:
        pay(client)
    with pytest.raises(ReadUnanswered):
        client.get_account_balance()

    assert "No money moved." in str(caught.value)
    assert not caught.value.money_may_have_moved


def test_connection_refused_after_the_token_call_is_not_sent(make_client: Callable[..., Face], script: Script) -> None:
    client = make_client()
    client.create_access_token()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    object.__setattr__(client.client.settings, "base_url", f"http://127.0.0.1:{port}")

    with pytest.raises(NotSentError, match="was not sent"):
        pay(client)


def test_closed_client_sends_nothing(make_client: Callable[..., Face], script: Script, form: str) -> None:
    client = make_client()
    client.close() if form == "sync" else client.aclose()

    with pytest.raises(NotSentError, match="closed"):
        pay(client)
    with pytest.raises(ReadUnanswered, match="closed"):
        client.get_account_balance()
    assert script.requests == []


def test_client_made_before_a_fork_sends_nothing(client: Face, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)

    with pytest.raises(NotSentError, match="fork"):
        pay(client)
    monkeypatch.undo()
    assert script.requests == []


def test_cancelled_waiter_for_a_token_harms_no_other(
    script: Script, held: Credentials, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    """No waiter owns the token's fetch: one that gives up takes it from no other."""
    from dataclasses import replace

    script.token = [replace(make_outcome(200, {"access_token": "slow"}), after_s=0.2)]
    script.say_json({"availableBalance": "1"})

    async def main() -> Any:
        async with AsyncDisbursementsClient(
            target_environment="sandbox",
            api_user=held.api_user,
            api_key=held.api_key,
            subscription_key=held.subscription_key,
            base_url=script.url,
        ) as client:
            first = asyncio.create_task(client.get_account_balance())
            second = asyncio.create_task(client.get_account_balance())
            await asyncio.sleep(0.05)
            first.cancel()
            return await second, first.cancelled()

    found, cancelled = asyncio.run(main())
    assert str(found.available_balance) == "1"
    assert cancelled
    assert len(script.token_calls()) == 1


def test_payment_is_not_sent_when_its_client_closes_during_the_token_call(
    script: Script, held: Credentials, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    from dataclasses import replace

    script.token = [replace(make_outcome(200, {"access_token": "slow"}), after_s=0.3)]

    async def main() -> Any:
        client = AsyncDisbursementsClient(
            target_environment="sandbox",
            api_user=held.api_user,
            api_key=held.api_key,
            subscription_key=held.subscription_key,
            base_url=script.url,
        )
        paying = asyncio.create_task(pay(client))
        await asyncio.sleep(0.05)
        await client.aclose()
        return (await asyncio.gather(paying, return_exceptions=True))[0]

    assert type(asyncio.run(main())) is NotSentError


OPAQUE = ("dXNlci1vZi10aGUtbmV3ZXItcGxhdGZvcm0=", "p%41ss+word/with:punctuation~!=")


def test_opaque_credentials_are_sent_unencoded(
    make_client: Callable[..., Face], script: Script, make_settings: Callable[..., Any]
) -> None:
    """The newer platform's user and token hold ``=`` and punctuation: Base64 of the raw pair, nothing encoded first."""
    user, key = OPAQUE
    settings = make_settings(base_url=script.url)
    opaque = settings.model_copy(update={"api_user": user, "api_key": type(settings.api_key)(key)})
    kind = type(make_client().client)
    script.say_json({"availableBalance": "1"})
    face = make_client()
    face.client = kind(opaque)
    face.get_account_balance()
    face.close() if face.runner is None else face.aclose()

    (token,) = script.token_calls()
    assert token.headers["authorization"] == f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"
    assert urllib.parse.quote(key) not in base64.b64decode(token.headers["authorization"][6:]).decode()


def test_calls_name_the_target_and_a_neutral_user_agent(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    """The newer platform wants the target on the token call too, and blocks ``python-requests``."""
    script.say(make_outcome(202))
    pay(client)

    assert [request.path for request in script.requests] == ["/disbursement/token/", "/disbursement/v1_0/transfer"]
    for request in script.requests:
        assert request.headers["x-target-environment"] == "sandbox"
        assert request.headers["user-agent"].startswith("payments-core/")
    assert script.requests[0].headers["content-length"] == "0"
    assert script.requests[0].body == ""


def test_errors_show_no_secret_and_no_number(
    make_client: Callable[..., Face],
    script: Script,
    make_outcome: Callable[..., ExpectedOutcome],
    held: Credentials,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever the gateway repeats to us, str, repr, traceback and log lines of an error hold none of it in full."""
    caplog.set_level(logging.DEBUG)
    pair = base64.b64encode(f"{held.api_user}:{held.api_key}".encode()).decode()
    ours, consent = (held.api_key, held.subscription_key, pair, NUMBER), "secret-consent-token"
    client = make_client()
    entries: list[str] = []
    plain: list[Callable[[Any], Any]] = [
        *ACTIONS.values(),
        lambda c: c.get_account_balance(),
        lambda c: c.is_active(NUMBER),
        lambda c: c.get_basic_user_info(NUMBER),
        lambda c: c.transfer(reference=NUMBER, payee=NUMBER, amount="5"),
        lambda c: c.is_active(f"x{NUMBER}"),
    ]
    consenting: list[Callable[[Any], Any]] = [
        lambda c: c.ask_user_info(consent),
        lambda c: c.create_oauth2_token(consent),
        lambda c: c.refresh_oauth2_token(consent),
    ]
    for status, shape in ((500, "message"), (418, "message"), (400, "error"), (409, "code"), (403, "html")):
        for call in (*plain, *consenting):
            words = " ".join((*ours, consent) if call in consenting else ours)
            body = f"<html><title>{words}</title></html>" if shape == "html" else {shape: words, "code": words}
            script.say(make_outcome(status, body))
            with pytest.raises(MomoError) as caught:
                call(client)
            error = caught.value
            shown = "".join(traceback.format_exception(error))
            entries.append(f"{error} {error!r} {shown} {error.text} {error.provider_code} {error.args!r}")
    lines = [f"{record.getMessage()} {record.__dict__!r}" for record in caplog.records if "test_" not in record.name]
    for hidden in (*ours, consent):
        leaks = [text for text in (*entries, *lines) if hidden in _without_source(text)]
        assert leaks[:1] == []


def _without_source(text: str) -> str:
    """Drop the lines of source in a traceback: the test's own hold what it planted."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def test_already_used_error_names_the_earlier_payment(
    client: Face, script: Script, make_outcome: Callable[..., ExpectedOutcome]
) -> None:
    script.say(make_outcome(409, {"code": "RESOURCE_ALREADY_EXIST", "message": "Duplicated reference id."}))
    reference = new_reference()

    with pytest.raises(AlreadyUsedError) as caught:
        pay(client, reference)

    assert f"get_transfer_status('{reference}')" in caught.value.hint
    assert caught.value.money_may_have_moved
