"""Where the sources leave a choice: one switch each, its source beside it, its value checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from payments_core.testing.emulator.destinations import destination_of
from payments_core.testing.emulator.options import Options

__all__ = ["BalanceOutcome", "Switches"]

BalanceOutcome: TypeAlias = Literal[
    "not_allowed",
    "zero",
    "internal_processing_error",
    "service_unavailable",
    "negative",
    "not_allowed_target_environment",
    "success",
    "account_not_found",
    "flapping",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches(Options):
    """What sources do not agree on, or a test wants otherwise. "Assumed" means that no source tells.

    Args:
        delayed_s: How long ...454 takes. 25 s measured by a public client on requesttopay; None: it stays PENDING, as
            the documents of 2018 say.
        ongoing_s: When ...453 succeeds. None: it stays PENDING, as measured over 40 s in 2026; 30 in the documents of
            2018.
        reason_shape: A bare string since January 2024 (developer community, article 192); an object in the export.
        status_values: Amounts, numbers and ids as text, as recorded; as JSON numbers in the export's examples.
        pending_transaction_id: Whether a PENDING transfer shows financialTransactionId: not as measured; some fixtures
            of MTN's own libraries do.
        reads_per_s: Status reads a second before 429; 0: no limit. 10 in article 93 of the developer community, 150
            in article 271; no 429 was ever captured.
        login_refusal: 500 ``login_failed`` recorded in the sandbox, 401 in the OpenAPI export. The newer platform
            answers 401 ``invalid_client`` whatever this says.
        new_key_ends_tokens: Whether a new API key ends the tokens of the old one: one third-party page says so.
        other_products_keys: Subscription keys of another product: fit for provisioning, refused by this product.
        product_scoping: Whether a user made under such a key is refused by every call but the token: measured in 2026;
            MTN's notebook of 2024 worked without.
        bad_request: The body of a 400: none (no schema in the OpenAPI export), or VALIDATION_ERROR (article 338, for
            the newer platform). ``platform``: each where it was seen.
        length_required: Whether a POST without Content-Length is refused with 411. Assumed by what stands in front.
        aggregator: Whether transferType is asked for and checked. From a third party's digest of a newer portal page.
        transfer_callback: How a transfer's callback comes: PUT in the description of 2018; not in the export.
        callback_via: An http address of this machine that is called in place of every callback's own, path, query and
            Host kept: what a proxy in front of a receiver does. Empty: the address asked for, if it is of this machine.
        callback_retries: ``once`` in the description of 2018 and the newest seen; ``blocks`` in one capture of the
            portal: 20 more at 1 s, 30 at 2 min, then hourly until unblocked, here for a day.
        callback_timeout_s: How long a receiver may take: 2 s in the capture with the blocks.
        callback_reference: Where a callback carries X-Reference-Id: nowhere, as captured; one public receiver reads
            ``referenceId`` in the body, one the header.
        refund_scenario: Which field of a refund carries the portal's scenarios 1 to 13. The portal names none;
            ``referenceIdToRefund`` was tried by one client, ``externalId`` by none.
        unknown_refund: What becomes of a refund of a collection the emulator does not know. Assumed.
        over_refund: What becomes of refunds that exceed their collection. Assumed.
        balance: The portal's scenarios, which have no selector; ``flapping`` gives one after another, as measured by
            three clients.
        available_balance: What is in the account.
        active_shape: ``{"result":true}`` as recorded; a careful client also takes a bare ``true``.
        basic_user_info: The sandbox's body as recorded, or the export's fields.
        bc_authorize_auth: Basic in the export, Bearer in MTN's libraries and notebook.
        consent_interval_s: Wait between requests for the consent's token; no real value was found.
        consent_pending_s: When ...452 consents; None: never.
        consent_errors: ``oauth``: ``{"error": ...}`` with the codes of OpenID's CIBA; ``momo``: MoMo's shape. Assumed:
            no source has the answers of these scenarios.
        user_appears_s: How long a new API user is 404: one client waits 2 s.

    """

    delayed_s: float | None = 25.0
    ongoing_s: float | None = None
    reason_shape: Literal["string", "object"] = "string"
    status_values: Literal["text", "number"] = "text"
    pending_transaction_id: bool = False
    reads_per_s: int = 0
    login_refusal: Literal[500, 401] = 500
    new_key_ends_tokens: bool = False
    other_products_keys: tuple[str, ...] = ()
    product_scoping: bool = True
    bad_request: Literal["platform", "empty", "validation_error"] = "platform"
    length_required: bool = False
    aggregator: bool = False
    transfer_callback: Literal["PUT", "POST"] = "PUT"
    callback_via: str = ""
    callback_retries: Literal["once", "blocks"] = "once"
    callback_timeout_s: float = 2.0
    callback_reference: Literal["none", "body", "header"] = "none"
    refund_scenario: Literal["off", "referenceIdToRefund", "externalId"] = "off"
    unknown_refund: Literal["succeeds", "fails"] = "succeeds"
    over_refund: Literal["succeeds", "fails"] = "fails"
    balance: BalanceOutcome = "success"
    available_balance: str = "1000"
    active_shape: Literal["object", "bare"] = "object"
    basic_user_info: Literal["sandbox", "spec"] = "sandbox"
    bc_authorize_auth: Literal["either", "basic", "bearer"] = "either"
    consent_interval_s: int = 5
    consent_pending_s: float | None = None
    consent_errors: Literal["oauth", "momo"] = "oauth"
    user_appears_s: float = 0.0

    def __post_init__(self) -> None:
        Options.__post_init__(self)  # slots make a new class, which super() would not know
        if self.callback_via and isinstance(destination_of(self.callback_via), str):
            raise ValueError(f"callback_via must be an http address of this machine, not {self.callback_via!r}")
