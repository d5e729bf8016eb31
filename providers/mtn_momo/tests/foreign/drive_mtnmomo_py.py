"""Drives mtnmomo-py, unchanged."""

from __future__ import annotations

import uuid
from typing import Any

from mtnmomo.client import MoMoClient
from mtnmomo.config import MoMoConfig, ProductCredentials
from steps import NO_FUNDS, PAYEE, Steps

steps = Steps()


def client(where: dict[str, str]) -> Any:
    held = ProductCredentials(where["subscription_key"], where["api_user"], where["api_key"])
    return MoMoClient(MoMoConfig(disbursement=held, target_environment=where["target"], base_url=where["url"]))


def order(payee: str = PAYEE, currency: str = "EUR") -> dict[str, Any]:
    party = {"partyIdType": "MSISDN", "partyId": payee}
    return {"amount": "500", "currency": currency, "externalId": "po_1", "payee": party}


whole = client(steps.sandbox)
ours = whole.disbursement
reference = str(uuid.uuid4())
steps.take("token", lambda: len(ours.create_access_token().access_token) > 0)
steps.take("transfer", lambda: ours.transfer(order(), reference_id=reference) == reference)
steps.take("status", lambda: ours.get_transfer_status(reference).status)
steps.take("duplicate", lambda: ours.transfer(order(), reference_id=reference))
failed = ours.transfer(order(NO_FUNDS))
steps.take("reason", lambda: ours.get_transfer_status(failed).reason.code)
steps.take("balance", lambda: ours.get_account_balance("EUR").available_balance)
steps.take("active", lambda: ours.validate_account_holder_status("msisdn", PAYEE))
steps.take("deposit", lambda: ours.get_deposit_status(ours.deposit(order(), version="v2_0")).status)
refund = {name: value for name, value in order().items() if name != "payee"} | {"referenceIdToRefund": reference}
steps.take("refund", lambda: ours.get_refund_status(ours.refund(refund, version="v2_0")).status)
steps.take("name", lambda: ours.get_basic_user_info("msisdn", PAYEE)["given_name"])
asked = ours.authorize_ciba({"login_hint": f"ID:{PAYEE}/MSISDN", "scope": "profile", "access_type": "online"})
grant = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": asked["auth_req_id"]}
steps.take(
    "consent", lambda: ours.get_user_info_with_consent(ours.create_oauth2_token(grant).access_token)["family_name"]
)
user = whole.sandbox.create_api_user("payouts.example.org")
steps.take("provisioning", lambda: len(whole.sandbox.create_api_key(user)))
steps.misbehave(token_refused={"next": 1})
steps.take("token revoked", lambda: ours.get_account_balance().available_balance)
ours.create_access_token(force_refresh=True)
steps.misbehave(answer_lost_after_acceptance={"next": 1})
steps.take("answer lost", lambda: ours.transfer(order()))
moved = client(steps.moved).disbursement
steps.take("newer platform: token", lambda: len(moved.create_access_token().access_token) > 0)
steps.take("newer platform: transfer", lambda: moved.transfer(order(currency="UGX")))
steps.tell()
