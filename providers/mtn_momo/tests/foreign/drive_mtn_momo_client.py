"""Drives mtn-momo-client, unchanged."""

from __future__ import annotations

import uuid
from typing import Any

from momo_api.models.config import Config
from momo_api.models.payment_request import PaymentRequest
from momo_api.models.refund_request import RefundRequest
from momo_api.models.transfer_request import TransferRequest
from momo_api.products.disbursement import DisbursementApi
from steps import NO_FUNDS, PAYEE, Steps

steps = Steps()


def client(where: dict[str, str]) -> Any:
    config = Config.disbursement(where["subscription_key"], where["api_user"], where["api_key"])
    return DisbursementApi(config, where["url"], where["target"])


def order(payee: str = PAYEE, currency: str = "EUR", amount: str = "5") -> Any:
    return TransferRequest.make(amount, payee, "po_1", currency)


ours = client(steps.sandbox)
reference = str(uuid.uuid4())
steps.take("token", lambda: len(ours.get_access_token().access_token) > 0)
steps.take("transfer", lambda: ours.transfer(order(), reference) == reference)
steps.take("status", lambda: ours.get_transfer_status(reference).status)
steps.take("duplicate", lambda: ours.transfer(order(), reference))
failed = ours.transfer(order(NO_FUNDS))
steps.take("reason", lambda: ours.get_transfer_status(failed).reason.code)
steps.take("balance", lambda: ours.get_balance().available_balance)
steps.take("active", lambda: ours.check_account_holder(PAYEE))
steps.take("deposit", lambda: ours.deposit(PaymentRequest.make("5", PAYEE, "po_2", "EUR")))
steps.take("refund", lambda: len(ours.refund(RefundRequest.make("5", str(uuid.uuid4()), "po_3", "EUR"))) > 0)
other = ours.transfer(order(currency="UGX"))
steps.take("currency", lambda: ours.get_transfer_status(other).currency)
steps.misbehave(token_refused={"next": 1})
steps.take("token revoked", lambda: ours.get_balance().available_balance)
ours = client(steps.sandbox)
steps.misbehave(answer_lost_after_acceptance={"next": 1})
steps.take("answer lost", lambda: ours.transfer(order()))
moved = client(steps.moved)
steps.take("newer platform: token", lambda: len(moved.get_access_token().access_token) > 0)
steps.take("newer platform: transfer", lambda: moved.transfer(order(currency="UGX", amount="500")))
steps.tell()
