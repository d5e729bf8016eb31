"""The calls about payments, each written once: transfers, deposits, refunds, their status, and notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from payments_core.domain.errors import InvalidAmount, InvalidPayout
from payments_core.domain.money import Money
from payments_core.domain.payout import Payee
from payments_core.http.flow import HttpFlow
from payments_core.http.messages import HttpRequest
from payments_core.settings.amount_limits import above_largest_amount
from payments_mtn_momo.api import results
from payments_mtn_momo.api.models import Accepted, PaymentStatus
from payments_mtn_momo.api.operations import OPERATIONS
from payments_mtn_momo.api.payments import (
    check_amount,
    check_text,
    encode_payment,
    fold,
    read_reference,
    read_version_4,
    recipient,
    write_json,
)
from payments_mtn_momo.api.requests import build
from payments_mtn_momo.native.account_calls import AccountCalls
from payments_mtn_momo.native.calls import read_callback_url, read_payee, run_call
from payments_mtn_momo.settings import MtnMomoSettings

__all__ = ["DisbursementCalls"]

Amount: TypeAlias = Money | Decimal | int | str


class DisbursementCalls(AccountCalls):
    """Every call of the Disbursements product: those of an account, payments, and messages about them."""

    def transfer(
        self,
        *,
        reference: str | UUID,
        payee: Payee | str,
        amount: Amount,
        external_id: str = "",
        payer_message: str = "",
        payee_note: str = "",
        callback_url: str | None = None,
        transfer_type: str = "",
    ) -> HttpFlow[Accepted]:
        """Pay a wallet, once: taken is not paid, so read ``get_transfer_status`` until it is final.

        Nothing is written down here and nothing is sent again by itself.

        Args:
            reference: A UUID of version 4 that you stored before this call (``new_reference()``).
            payee: Who; a text is a telephone number with its country code.
            amount: How much; a ``Money``, or a number in the account's currency. Never rounded.
            external_id: Shown in MTN's records; the reference when empty.
            payer_message: For the payer's history; reduced to what the gateway takes.
            payee_note: For the payee's history; ``payer_message`` when empty.
            callback_url: Where MTN reports the end; its host must be the one registered for the API user. The settings'
                own when left out, nowhere when empty.
            transfer_type: Only for aggregators, as agreed with MTN.

        Raises:
            NotSentError: Nothing left: make the same call again.
            RefusedError: MTN refused, and no money moved: put right what the hint says.
            AlreadyUsedError: An earlier request under this reference was accepted: read its status.
            UnknownOutcomeError: Money may have moved: read the status by this reference.

        """
        return self._pay(
            "transfer",
            reference,
            lambda: recipient(read_payee(payee), transfer_type=check_text(transfer_type, "transfer_type")),
            amount=amount,
            external_id=external_id,
            payer_message=payer_message,
            payee_note=payee_note,
            callback_url=callback_url,
        )

    def deposit(
        self,
        *,
        reference: str | UUID,
        payee: Payee | str,
        amount: Amount,
        external_id: str = "",
        payer_message: str = "",
        payee_note: str = "",
        callback_url: str | None = None,
        version: Literal[1, 2] = 2,
    ) -> HttpFlow[Accepted]:
        """Pay cash into a wallet, once; arguments and errors as for ``transfer``.

        ``version`` is that of MTN's call; it calls ``callback_url`` by PUT for version 2 and by POST for version 1.
        """
        return self._pay(
            f"deposit_v{version}",
            reference,
            lambda: recipient(read_payee(payee)),
            amount=amount,
            external_id=external_id,
            payer_message=payer_message,
            payee_note=payee_note,
            callback_url=callback_url,
        )

    def refund(
        self,
        *,
        reference: str | UUID,
        reference_id_to_refund: str | UUID,
        amount: Amount,
        external_id: str = "",
        payer_message: str = "",
        payee_note: str = "",
        callback_url: str | None = None,
        version: Literal[1, 2] = 2,
    ) -> HttpFlow[Accepted]:
        """Pay a collection back, in full or in part, once; arguments and errors as for ``deposit``.

        The payer of the collection, ``reference_id_to_refund``, gets it. Nothing here knows how much of the collection
        was paid back before.
        """
        return self._pay(
            f"refund_v{version}",
            reference,
            lambda: recipient(Payee.payer_of(read_reference(reference_id_to_refund))),
            amount=amount,
            external_id=external_id,
            payer_message=payer_message,
            payee_note=payee_note,
            callback_url=callback_url,
        )

    def _pay(
        self,
        operation: str,
        reference: str | UUID,
        to: Callable[[], Mapping[str, object]],
        *,
        amount: Amount,
        external_id: str,
        payer_message: str,
        payee_note: str,
        callback_url: str | None,
    ) -> HttpFlow[Accepted]:
        known = operation if operation in OPERATIONS else f"{operation.partition('_')[0]}_v2"
        own_id = external_id or str(reference).lower()

        def prepare() -> HttpRequest:
            if known != operation:
                raise InvalidPayout("There is no such version.", hint="Give version=1 or version=2.")
            body = encode_payment(
                _read_amount(amount, self.settings),
                external_id=check_text(own_id, "external_id"),
                to=to(),
                payer_message=payer_message,
                payee_note=payee_note,
            )
            callback = read_callback_url(callback_url, self.settings)
            return build(
                self.settings, operation, reference=read_version_4(reference), callback_url=callback, body=body
            )

        return run_call(
            self._context(known, str(reference)),
            prepare,
            lambda response: Accepted(read_version_4(reference), operation, own_id, response.at),
        )

    def get_transfer_status(self, reference: str | UUID) -> HttpFlow[PaymentStatus]:
        """Read what became of a transfer.

        Args:
            reference: The one it was sent with.

        Raises:
            ReadNotFound: MTN knows none under it, here and for this API user, or not yet; never a failure by itself.
            ReadError: It could not be read; that says nothing about the transfer.

        """
        return self._status("transfer_status", reference)

    def get_deposit_status(self, reference: str | UUID) -> HttpFlow[PaymentStatus]:
        """Read what became of a deposit, of either version; see ``get_transfer_status``."""
        return self._status("deposit_status", reference)

    def get_refund_status(self, reference: str | UUID) -> HttpFlow[PaymentStatus]:
        """Read what became of a refund, of either version; see ``get_transfer_status``."""
        return self._status("refund_status", reference)

    def _status(self, operation: str, reference: str | UUID) -> HttpFlow[PaymentStatus]:
        return run_call(
            self._context(operation, str(reference)),
            lambda: build(self.settings, operation, path={"reference": read_reference(reference)}),
            lambda response: results.read(PaymentStatus, response, reference=read_reference(reference)),
        )

    def send_delivery_notification(self, reference: str | UUID, message: str, *, language: str = "") -> HttpFlow[None]:
        """Send the payer of a successful collection a message.

        Args:
            reference: Of the collection.
            message: 1 to 160 characters; a header field carries it too, without accents.
            language: ISO 639, such as ``en``.
        """

        def prepare() -> HttpRequest:
            if not 1 <= len(message) <= 160:
                raise InvalidPayout("The message must have 1 to 160 characters.")
            return build(
                self.settings,
                "delivery_notification",
                path={"reference": read_reference(reference)},
                headers={
                    "notificationMessage": _header_text(message),
                    "Language": check_text(language, "language"),
                },
                body=write_json({"notificationMessage": check_text(message, "message")}),
            )

        yield from run_call(self._context("delivery_notification", str(reference)), prepare, lambda _: True)


def _header_text(text: str) -> str:
    """Return text as far as a header field can carry it: ASCII, accents dropped."""
    kept = "".join(mark for mark in fold(text) if mark.isascii() and mark.isprintable()).strip()
    if not kept:
        raise InvalidPayout(
            "The message holds nothing that a header field can carry.", hint="Write it in Latin letters."
        )
    return check_text(kept, "message")


def _read_amount(amount: Amount, settings: MtnMomoSettings) -> Money:
    """Return an amount that the account pays; above its ``largest_amount`` it pays none."""
    money = amount if isinstance(amount, Money) else Money(amount, settings.target.currency)
    check_amount(money, settings.target)
    limits = settings.largest_amount
    if limits is None or money.is_within(limits):
        return money
    problem = above_largest_amount(limits, money, account=settings.target_environment)
    raise InvalidAmount(problem, hint="Correct the amount; where it is meant, change the setting first.")
