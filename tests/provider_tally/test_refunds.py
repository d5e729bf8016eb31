"""Refunds and default operations, over real sockets: whatever happens, no more goes back than was collected."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from decimal import localcontext
from pathlib import Path
from typing import IO, Any, cast

import pytest
from tally_gateway import TallyGateway, served
from tally_runtime import runtime_of, till

from payments_core import AsyncPayoutClient, Money, Operation, Payee, PayoutClient, PayoutStatus
from payments_core.domain.errors import (
    InvalidAmount,
    InvalidPayout,
    KeyReused,
    OverRefund,
    PaymentsError,
    SettingsError,
)
from payments_core.domain.payout import Payout

TEN = Money("10", "KES")
GOOD = Payee.msisdn("254700000900")


def refund(
    client: PayoutClient, key: str, amount: str, *, collection: str = "c-1", original: Money = TEN, **more: Any
) -> Payout:
    return client.refund(
        key=key, collection=collection, amount=Money(amount, "KES"), original_amount=original, account="till", **more
    )


def cents_of(gateway: TallyGateway) -> int:
    return sum(entry["cents"] for entry in gateway.ledger if entry["txn"] in gateway.credits)


def test_refund_is_a_payout_with_key_history_and_end(tmp_path: Path) -> None:
    """It has a key, a history and an end, and names the collection it gives back."""
    with till(tmp_path) as (client, gateway, _):
        payout = refund(client, "r/1", "2.50", note="sorry")
        assert (payout.status, payout.operation) == (PayoutStatus.SUCCEEDED, Operation.REFUND)
        assert payout.payee == Payee.payer_of("c-1")
        assert [entry.event for entry in client.get(payout.id).history] == [
            "payout.created",
            "payout.sending",
            "payout.succeeded",
        ]
        assert [(entry["to"], entry["cents"]) for entry in gateway.ledger] == [("c-1", 250)]


def test_refund_of_the_remaining_amount_is_exact_to_the_last_cent(tmp_path: Path) -> None:
    """The sum is exact, also where floats or an application's own decimal context would round."""
    with till(tmp_path) as (client, gateway, _), localcontext(prec=2):
        original = Money("123456789012.30", "KES")
        refund(client, "r/1", "123456789012.10", original=original)
        refund(client, "r/2", "0.10", original=original)
        refund(client, "r/3", "0.10", original=original)
        with pytest.raises(OverRefund, match=r"of 123456789012.3 KES collected, 123456789012.30 KES is refunded"):
            refund(client, "r/4", "0.01", original=original)
        assert cents_of(gateway) == 12_345_678_901_230
        assert [payout.key for payout in client.payouts()] == ["r/1", "r/2", "r/3"]


def test_refund_key_counts_once(tmp_path: Path) -> None:
    """The same key gives the same refund, also when nothing is left, and takes nothing twice."""
    with till(tmp_path) as (client, gateway, _):
        first = refund(client, "r/1", "6")
        assert refund(client, "r/1", "6").id == first.id
        refund(client, "r/2", "4")
        assert refund(client, "r/1", "6").id == first.id
        assert cents_of(gateway) == 1000


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"original": Money("11", "KES")}, OverRefund),
        ({"original": Money("9", "KES")}, OverRefund),
        ({"original": Money("10", "UGX")}, InvalidAmount),
        ({"amount": "8.01"}, OverRefund),
        ({"amount": "10.01"}, InvalidAmount),
    ],
    ids=["more collected", "less collected", "another currency", "more than is left", "more than was collected"],
)
def test_refund_that_contradicts_an_earlier_one_is_refused(
    tmp_path: Path, changed: dict[str, Any], error: type[InvalidPayout]
) -> None:
    """Nothing is recorded and nothing is sent."""
    with till(tmp_path) as (client, gateway, _):
        refund(client, "r/1", "2")
        with pytest.raises(error):
            refund(client, "r/2", **({"amount": "1"} | changed))
        assert [payout.key for payout in client.payouts()] == ["r/1"]
        assert cents_of(gateway) == 200


OTHER_MERCHANT = '[accounts.other]\nprovider = "tally"\nbase_url = "URL"\ntill = "7002"\ncurrency = "UGX"'


def test_refunds_of_two_accounts_share_one_collected_amount(tmp_path: Path) -> None:
    with till(tmp_path, more=OTHER_MERCHANT) as (client, gateway, _):
        refund(client, "r/1", "6")
        fields: dict[str, Any] = {"collection": "C-1", "original_amount": TEN, "account": "other"}
        with pytest.raises(OverRefund, match=r"6 KES is refunded or under way"):
            client.refund(key="r/2", amount=Money("5", "KES"), **fields)
        client.refund(key="r/3", amount=Money("4", "KES"), **fields)
        assert cents_of(gateway) == 1000


def test_refund_in_another_currency_is_refused(tmp_path: Path) -> None:
    with till(tmp_path, more=OTHER_MERCHANT) as (client, _, _lost):
        refund(client, "r/1", "6")
        ugx = Money("10", "UGX")
        with pytest.raises(OverRefund, match=r"says that 10 KES was collected, this one 10 UGX"):
            client.refund(key="r/2", collection="c-1", amount=ugx, original_amount=ugx, account="other")


def test_refund_with_a_lost_answer_keeps_its_share_until_proven_failed(tmp_path: Path) -> None:
    """A refund that may have arrived counts; one that is proven to have failed gives its share back."""
    with till(tmp_path) as (client, gateway, lost):
        lost.append("/pay")
        assert refund(client, "r/1", "7").status is PayoutStatus.UNKNOWN
        with pytest.raises(OverRefund, match="a refund that is not known yet counts until it is"):
            refund(client, "r/2", "7")
        failed = refund(client, "r/3", "3", collection="254700000017")
        assert failed.status is PayoutStatus.FAILED
        assert refund(client, "r/4", "10", collection="254700000017").status is PayoutStatus.FAILED
        assert cents_of(gateway) == 700


def test_refunds_of_many_threads_stay_within_the_collected_amount(tmp_path: Path) -> None:
    """However many ask at one moment, exactly what fits is recorded and sent."""
    with till(tmp_path) as (client, gateway, _):
        together, ended = threading.Barrier(16), Counter[str]()

        def ask(number: int) -> None:
            together.wait()
            try:
                ended[refund(client, f"r/{number}", "1.50").status] += 1
            except OverRefund:
                ended["refused"] += 1

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ended == {"SUCCEEDED": 6, "refused": 10}
        assert cents_of(gateway) == 900


def test_refunds_of_many_tasks_stay_within_the_collected_amount(tmp_path: Path) -> None:
    gateway = TallyGateway()

    async def pay(url: str) -> list[Payout | BaseException]:
        async with AsyncPayoutClient(runtime_of(tmp_path, url)) as client:
            fields: dict[str, Any] = {"collection": "c-1", "amount": Money("1.50", "KES"), "original_amount": TEN}
            asked = (client.refund(key=f"r/{number}", **fields) for number in range(16))
            return await asyncio.gather(*asked, return_exceptions=True)

    with served(gateway) as url:
        ended = asyncio.run(pay(url))
    assert Counter(type(one) for one in ended) == {Payout: 6, OverRefund: 10}
    assert cents_of(gateway) == 900


PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tally_runtime import assembled
from payments_core import Money, PayoutClient
from payments_core.domain.errors import OverRefund
sys.stdin.readline()
with PayoutClient(assembled(Path(sys.argv[2]))) as client:
    for number in range(8):
        try:
            client.refund(key=f"r/{sys.argv[3]}/{number}", collection="c-1", amount=Money("0.70", "KES"),
                          original_amount=Money("10", "KES"))
        except OverRefund:
            print("refused")
        else:
            print("taken")
"""


def test_refunds_of_many_processes_stay_within_the_collected_amount(tmp_path: Path) -> None:
    """The ceiling is the journal's, not a client's."""
    gateway = TallyGateway()
    with served(gateway) as url:
        runtime_of(tmp_path, url).journal.close()
        words = [sys.executable, "-c", PROCESS, str(Path(__file__).parent), str(tmp_path / "payouts.toml")]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [subprocess.Popen([*words, str(number)], **pipes) for number in range(4)]
        for process in processes:
            cast("IO[str]", process.stdin).write("go\n")
            cast("IO[str]", process.stdin).flush()
        result = Counter(word for process in processes for word in process.communicate(timeout=60)[0].split())
    assert result == {"taken": 14, "refused": 18}
    assert cents_of(gateway) == 980


# --- the account's own operation ---


def send(client: PayoutClient, key: str = "k/1", **more: Any) -> Payout:
    return client.send(key=key, payee=GOOD, amount=TEN, **more)


def test_operation_defaults_to_that_of_the_account(tmp_path: Path) -> None:
    with till(tmp_path, default_operation="deposit") as (client, gateway, _):
        assert send(client).operation is Operation.DEPOSIT
        assert send(client, "k/2", operation="transfer").operation is Operation.TRANSFER
        assert [entry["operation"] for entry in gateway.ledger] == ["deposit", "transfer"]


def test_recorded_key_keeps_its_operation(tmp_path: Path) -> None:
    """Changing the account's default changes no payout; who names an operation gets that one or is refused."""
    gateway = TallyGateway()
    with served(gateway) as url:
        with PayoutClient(runtime_of(tmp_path, url)) as client:
            first = send(client)
            assert first.operation is Operation.TRANSFER
        with PayoutClient(runtime_of(tmp_path, url, default_operation="deposit")) as client:
            assert send(client).id == first.id
            assert send(client, operation="transfer").id == first.id
            with pytest.raises(KeyReused):
                send(client, operation="deposit")
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize(
    ("first", "then"),
    [(lambda client: refund(client, "k/1", "10"), send), (send, lambda client: refund(client, "k/1", "10"))],
    ids=["a refund's key sent", "a sent key refunded"],
)
def test_key_of_a_transfer_cannot_become_a_refund(
    tmp_path: Path, first: Callable[[PayoutClient], Payout], then: Callable[[PayoutClient], Payout]
) -> None:
    with till(tmp_path) as (client, gateway, _):
        first(client)
        with pytest.raises(KeyReused):
            then(client)
        assert len(gateway.ledger) == 1


def test_send_of_a_refund_is_refused_and_names_refund(tmp_path: Path) -> None:
    """`send` has no place for what was collected: it says what has."""
    with till(tmp_path) as (client, gateway, _), pytest.raises(PaymentsError, match=r"refund\("):
        client.send(key="k/1", payee=Payee.payer_of("c-1"), amount=TEN, operation=Operation.REFUND)
    assert gateway.ledger == []


def test_account_default_operation_refund_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="default_operation cannot be refund"):
        runtime_of(tmp_path, "http://127.0.0.1:1", default_operation="refund")
