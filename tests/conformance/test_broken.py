"""The suite is tested: each broken provider fails the promise it breaks, and no other.

By default every eighteenth is asked for all its promises, and the others for the one they break.
``PAYMENTS_BROKEN=1`` asks all of them for all; ``PAYMENTS_BROKEN_HEAVY=1`` has them asked by both kinds of client, in
every trouble and with every way of a callback besides.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

PROVIDERS = Path(__file__).with_name("broken_providers.py")
ROOT = Path(__file__).parents[2]

BREAKS: Mapping[str, set[str]] = {
    "BreaksNothing": set(),
    "RepeatsThePost": {"test_a_submit_sends_one_money_request"},
    "TakesALostAnswerForAFailure": {"test_a_lost_answer_is_unknown"},
    "TakesAnUnknownStatusForAFailure": {"test_an_unlisted_status_is_not_final"},
    "TakesNotFoundForAFailure": {"test_not_found_is_an_outcome_of_its_own"},
    "TakesBrokenAnswersForFailures": {"test_a_malformed_answer_is_unknown"},
    "TakesABrokenGatewayForARefusal": {"test_a_malformed_answer_is_unknown"},
    "GoesByTheHttpStatus": {"test_an_outcome_follows_from_the_body"},
    "SendsItAgainUnmarked": {"test_a_submit_sends_one_money_request"},
    "TakesAnothersReceipt": {"test_an_answer_to_another_payment_is_not_ours"},
    "TakesAnothersEndForOurs": {"test_a_check_of_another_payment_reports_the_difference"},
    "TakesAnothersFailureForOurs": {"test_a_check_of_another_payment_reports_the_difference"},
    "FillsInTheCurrency": {"test_a_check_of_another_payment_reports_the_difference"},
    "TakesARefusedQuestionForAFailure": {"test_a_refused_check_is_unknown"},
    "TakesAnErrorOfTheServerForNotFound": {"test_a_refused_check_is_unknown"},
    "TakesALostReadForNotFound": {"test_a_lost_check_is_unknown"},
    "AsksByPayingAgain": {"test_a_check_moves_no_money"},
    "GoesByPartOfAWord": {"test_an_unlisted_status_is_not_final"},
    "TellsAmountsAsFloats": {"test_a_success_reports_amount_currency_and_payee"},
    "TakesPendingForASuccess": {"test_every_status_is_mapped"},
    "TakesTakenForPaid": {"test_an_accepted_payment_is_pending"},
    "TakesADuplicateForASuccess": {"test_a_used_reference_is_a_duplicate"},
    "TakesTooManyForAFailure": {"test_a_temporary_refusal_is_not_accepted"},
    "TakesABusyServerForARefusal": {"test_an_inconclusive_answer_is_unknown"},
    "TakesARefusalOfUsForAFailure": {"test_a_refusal_of_the_account_fails_no_payment"},
    "ForgetsTheWait": {"test_retry_after_is_read"},
    "DropsFailuresOfANewKind": {"test_a_failure_needs_no_listed_reason"},
    "VouchesForItself": {"test_a_check_of_another_payment_reports_the_difference"},
    "SeesNothing": {"test_a_success_reports_amount_currency_and_payee"},
    "LeaksTheKeyInAnError": {"test_no_secret_leaks"},
    "LeaksTheKeyIntoTheHistory": {"test_no_secret_leaks"},
    "LeaksTheKeyIntoTheLog": {"test_no_secret_leaks"},
    "StoresASecret": {"test_no_secret_is_stored"},
    "Rounds": {"test_a_wrong_amount_is_refused_and_never_rounded"},
    "PaysToAnything": {"test_a_wrong_payee_is_refused"},
    "DrawsItsReferences": {"test_a_draft_is_pure_and_stable"},
    "RepeatsReferences": {"test_references_follow_from_the_key"},
    "HashesInADraft": {"test_a_draft_is_the_same_in_every_process"},
    "DatesItsDrafts": {"test_a_draft_is_pure_and_stable"},
    "TakesKeysForOne": {"test_references_follow_from_the_key"},
    "ForgetsTheInstallation": {"test_references_follow_from_the_key"},
    "SharesAReferenceAmongAttempts": {"test_references_follow_from_the_key"},
    "NamesTheNoteInAReference": {"test_references_follow_from_the_key"},
    "BindsToNoHost": {"test_another_server_is_another_binding"},
    "DrawsWhenItIsSent": {"test_filling_slots_changes_nothing_else"},
    "CountsInCents": {"test_the_amount_is_sent_exactly"},
    "CutsAmounts": {"test_the_amount_is_sent_exactly"},
    "PastesTheNote": {"test_a_note_or_key_changes_no_other_field"},
    "BreaksNothingSigned": set(),
    "BelievesAnySignature": {"test_an_altered_callback_is_forged"},
    "ForgivesAMissingSignature": {"test_an_altered_callback_is_forged"},
    "LogsNumbersOfAtHome": {"test_no_secret_leaks"},
    "PrintsNumbers": {"test_no_secret_leaks"},
    "LogsItsToken": {"test_no_secret_leaks"},
    "HoldsTheDigitsOfThePin": set(),
    "LogsThePin": {"test_no_secret_leaks"},
    "StoresThePin": {"test_no_secret_is_stored"},
    "BelievesCallbacks": {"test_an_unsigned_callback_is_not_verified"},
    "StumblesOverCallbacks": {"test_any_callback_is_parsed_without_an_error"},
    "CallsEverythingForged": {"test_a_callback_finds_its_payment"},
    "NamesNoPayment": {"test_a_callback_finds_its_payment"},
    "TellsStrangers": {"test_every_callback_is_acknowledged_alike"},
    "AsksForABalanceWithoutAPath": {"test_a_balance_is_asked_for_with_a_path_of_its_own"},
    "TakesAnythingForABalance": {"test_a_malformed_callback_is_no_balance"},
    "TellsNoBalance": {"test_a_balance_arrives_at_its_path"},
    "AnswersNoQuestion": {"test_a_lookup_is_answered"},
    "PaysToAsk": {"test_a_lookup_moves_no_money"},
    "StumblesOverAStranger": {"test_a_lookup_of_a_wrong_payee_is_refused"},
    "MakesUpAName": {"test_a_malformed_answer_is_no_lookup_result"},
    "SleepsInAFlow": {"test_a_provider_never_blocks"},
    "ConnectsInAFlow": {"test_a_provider_never_blocks"},
}


ENDLESS = "AltersItsRequest"  # breaks nearly everything; asked for one promise alone
NAMES = tuple(BREAKS)
WHOLE = NAMES if {"PAYMENTS_BROKEN", "PAYMENTS_BROKEN_HEAVY"} & os.environ.keys() else NAMES[:1]
TOGETHER = 40  # so many in a process: what they import is imported once, and no test takes minutes
Caught = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def caught(tmp_path_factory: pytest.TempPathFactory) -> Caught:
    """Play the suite with broken providers; return the promises that one was caught breaking."""

    @functools.cache
    def played(first: int) -> Mapping[str, set[str]]:
        return _play(NAMES[first : first + TOGETHER], tmp_path_factory.mktemp("broken") / "told.xml")

    return lambda name: played(NAMES.index(name) // TOGETHER * TOGETHER)[name]


def _play(names: Sequence[str], payload: Path) -> Mapping[str, set[str]]:
    _run(f"--junitxml={payload}", *(asked for name in names for asked in _asked(name)))
    found: dict[str, set[str]] = defaultdict(set)
    for case in ElementTree.parse(payload).iter("testcase"):  # noqa: S314 - our own
        broken = found[str(case.get("classname")).rpartition(".Test")[2]]
        if case.find("failure") is not None or case.find("error") is not None:
            broken.add(str(case.get("name")).partition("[")[0])
    return found


def _run(*arguments: str) -> str:
    few = {"PAYMENTS_CONFORMANCE_MANY": "5", **os.environ}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-n", "0", "--tb=line", "-p", "no:cacheprovider"]
    ran = subprocess.run([*command, *arguments], cwd=ROOT, env=few, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


def _asked(name: str) -> list[str]:
    suite = f"{PROVIDERS}::Test{name}"
    return [suite] if name in WHOLE else [f"{suite}::{promise}" for promise in BREAKS[name]]


@pytest.mark.parametrize("name", BREAKS)
def test_broken_provider_fails_the_promise_it_breaks_and_no_other(caught: Caught, name: str) -> None:
    assert caught(name) == BREAKS[name]


def test_endless_payment_ends_the_run_with_an_explanation() -> None:
    """The engine takes such a payout up for ever; the suite stops, and says what the engine was told at last."""
    text = _run(f"{PROVIDERS}::Test{ENDLESS}::test_a_payment_is_made_once")

    assert "steps the payout is still CREATED" in text
    assert "The provider asked for another money request than the one it drafted" in text


def test_broken_providers_are_all_in_the_table() -> None:
    result = re.findall(r"^class (\w+)\((?:\w+, )?Broken\):", PROVIDERS.read_text("utf-8"), re.MULTILINE)
    assert sorted(result) == sorted([*BREAKS, ENDLESS])
