"""Drives momo-openapi, unchanged."""

from __future__ import annotations

import uuid
from typing import Any

from momo_openapi import Disbursement, MomoConfig
from steps import NO_FUNDS, PAYEE, Steps

steps = Steps()


def client(where: dict[str, str]) -> Any:
    return Disbursement(
        MomoConfig(
            subscription_key=where["subscription_key"],
            user_id=where["api_user"],
            credential_token=where["api_key"],
            target_environment=where["target"],
            base_url=where["url"],
            currency=where["currency"],
        )
    )


ours = client(steps.sandbox)
reference = str(uuid.uuid4())
steps.take("token", lambda: len(ours.get_access_token()) > 0)
steps.take("transfer", lambda: ours.transfer("5", PAYEE, "po_1", reference_id=reference) == reference)
steps.take("status", lambda: ours.get_transaction_status(reference)["status"])
steps.take("duplicate", lambda: ours.transfer("5", PAYEE, "po_1", reference_id=reference))
failed = ours.transfer("5", NO_FUNDS, "po_2")
steps.take("reason", lambda: ours.get_transaction_status(failed)["reason"])
steps.take("balance", lambda: ours.get_balance()["availableBalance"])
steps.misbehave(token_refused={"next": 1})
steps.take("token revoked", lambda: ours.get_balance()["availableBalance"])
steps.misbehave(answer_lost_after_acceptance={"next": 1})
ours.get_access_token(force_refresh=True)
steps.take("answer lost", lambda: ours.transfer("5", PAYEE, "po_3"))
moved = client(steps.moved)
steps.take("newer platform: token", lambda: len(moved.get_access_token()) > 0)
steps.take(
    "newer platform: transfer", lambda: moved.get_transaction_status(moved.transfer("500", PAYEE, "x"))["status"]
)
steps.tell()
