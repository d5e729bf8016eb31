"""The routes of the configuration: ``[[routes]]``, read and checked when a client is made."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from payments_core.domain.errors import SecretMissing, SettingsError
from payments_core.domain.payout import Operation
from payments_core.provider import Account
from payments_core.routing import numbers
from payments_core.routing.operators import OPERATORS
from payments_core.settings.amount_limits import Amount
from payments_core.settings.tables import read_table

__all__ = ["Route", "RouteSettings", "read_routes"]


def _listed(value: object) -> object:
    """Return one value as a list of one."""
    return [value] if isinstance(value, str) else value


def _is_key(key: str) -> str:
    if key not in OPERATORS:
        similar = difflib.get_close_matches(key.lower(), OPERATORS, 1, 0.6)
        also = f"did you mean {similar[0]}?" if similar else f"there are {', '.join(sorted(OPERATORS))}"
        msg = f"names no operator we know; {also}"
        raise ValueError(msg)
    return key


class RouteSettings(BaseModel):
    """From which account is paid what meets every condition: a table ``[[routes]]``. The first that does is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    account: str = Field(description="The account to pay from, as in `[accounts.NAME]`.")
    country: Annotated[frozenset[Annotated[str, Field(pattern=r"^[A-Z]{2}$")]], BeforeValidator(_listed)] = Field(
        default=frozenset(),
        description='The country of the payee\'s number, ISO 3166 alpha-2 such as `"UG"`, or a list; any when left '
        "out. Needs the extra `routing`.",
    )
    currency: str = Field(
        default="", pattern=r"^([A-Z]{3})?$", description="ISO 4217 code of the amount; any that the account pays in."
    )
    operator: Annotated[frozenset[Annotated[str, BeforeValidator(_is_key)]], BeforeValidator(_listed)] = Field(
        default=frozenset(),
        description='Whose customer the payee is, such as `"mtn"` or `"safaricom"`, or a list; any when left out. '
        "Needs the extra `routing`.",
    )
    operator_hint: Literal["unless_portable", "accept", "refuse"] = Field(
        default="unless_portable",
        description="Whether the number's prefix may say whose customer the payee is, when neither caller nor "
        "provider does: `unless_portable`, only where numbers are not known to change operators; `accept`, everywhere; "
        "`refuse`, nowhere.",
    )
    min_amount: Amount | None = Field(
        default=None,
        description='The least amount, itself included; written as text, such as `"500"`. Needs `currency`.',
    )
    max_amount: Amount | None = Field(
        default=None, description="The largest amount, itself included; written as text. Needs `currency`."
    )
    operation: Annotated[frozenset[Operation], BeforeValidator(_listed)] = Field(
        default=frozenset(),
        description="What kind of payment it is: `transfer`, `deposit` or `refund`, or a list; any that the account "
        "offers when left out.",
    )

    @model_validator(mode="after")
    def _amounts_make_sense(self) -> Self:
        if (self.min_amount is not None or self.max_amount is not None) and not self.currency:
            msg = "min_amount and max_amount need a currency: 5000 of what?"
            raise ValueError(msg)
        if self.min_amount is not None and self.max_amount is not None and self.min_amount > self.max_amount:
            msg = f"min_amount ({self.min_amount:f}) is above max_amount ({self.max_amount:f})"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class Route:
    """One route, and the account it leads to.

    Args:
        number: Its place in the configuration, from 1.
        settings: Its table, checked.
        account: Where it leads to.

    """

    number: int
    settings: RouteSettings
    account: Account

    @property
    def asks_number(self) -> bool:
        """Whether it needs the country or operator of a number."""
        return bool(self.settings.country or self.settings.operator)

    @property
    def currencies(self) -> frozenset[str] | None:
        """What it takes: its own currency, or those of its account; None for any."""
        return frozenset({self.settings.currency}) if self.settings.currency else self.account.settings.currencies

    @property
    def operations(self) -> frozenset[Operation]:
        """The kinds of payment it takes."""
        return self.settings.operation or self.account.spec.operations

    @property
    def takes_default(self) -> bool:
        """Whether it takes the kind of payment that its account makes when the caller names none."""
        return self.account.settings.default_operation in self.operations

    def hides(self, other: Route) -> bool:
        """Whether it takes everything that another route would, so that the other one is never reached."""
        if other.takes_default and not self.takes_default:  # of payouts that name no operation
            return False
        mine, theirs = self.settings, other.settings
        least, most = mine.min_amount, mine.max_amount
        return (
            _covers(mine.country, theirs.country)
            and _covers(mine.operator, theirs.operator)
            and (self.currencies is None or (other.currencies is not None and other.currencies <= self.currencies))
            and other.operations <= self.operations
            and (least is None or (theirs.min_amount is not None and theirs.min_amount >= least))
            and (most is None or (theirs.max_amount is not None and theirs.max_amount <= most))
        )


def _covers(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return not mine or bool(theirs and theirs <= mine)


def read_routes(raw: Sequence[Mapping[str, Any]], accounts: Mapping[str, Account]) -> tuple[Route, ...]:
    """Check every table ``[[routes]]``, and all of them together.

    Args:
        raw: The tables, in their order.
        accounts: Those that are configured.

    Raises:
        SettingsError: A setting is wrong, an account is not configured or can never pay what is sent to it, a route
            is never reached, or the extra ``routing`` is missing.

    """
    routes: list[Route] = []
    for number, table in enumerate(raw, 1):
        title = f"[[routes]] number {number}"
        route = _read(number, title, table, accounts)
        if earlier := next((one for one in routes if one.hides(route)), None):
            raise SettingsError(
                f"{title} (to {route.account.name}) never has its turn: number {earlier.number} (to "
                f"{earlier.account.name}) stands before it and takes everything that it would.",
                hint="The first route that matches is taken: put the narrower one first, or remove it.",
            )
        routes.append(route)
    return tuple(routes)


def _read(number: int, title: str, table: Mapping[str, Any], accounts: Mapping[str, Account]) -> Route:
    read = read_table(RouteSettings, title, table, resolve_secret=_no_secret)
    if read.account not in accounts:
        raise SettingsError(
            f"{title} leads to {read.account!r}, which is not configured; there are: "
            f"{', '.join(sorted(accounts)) or 'none'}.",
            hint="Name an account as in [accounts.NAME].",
        )
    account = accounts[read.account]
    pays_in = account.settings.currencies
    if read.currency and pays_in is not None and read.currency not in pays_in:
        raise SettingsError(
            f"{title} can never be paid: {read.account} pays in {', '.join(sorted(pays_in))}, not in {read.currency}.",
            hint="Correct the currency, or lead it to another account.",
        )
    if strange := read.operation - account.spec.operations:
        raise SettingsError(
            f"{title} can never be paid: {account.spec.title} has no {', '.join(sorted(strange))}; it has "
            f"{', '.join(sorted(account.spec.operations))}.",
            hint="Correct the operation, or lead it to another account.",
        )
    pays_to = account.settings.operators
    if pays_to is not None and not read.operator <= pays_to:
        raise SettingsError(
            f"{title} is for {', '.join(sorted(read.operator))}, and {read.account} is set to pay customers of "
            f"{', '.join(sorted(pays_to))}.",
            hint="Give each operator an account of its own, and lead the route there.",
        )
    route = Route(number, read, account)
    if route.asks_number:
        numbers.require()
        if nowhere := sorted(code for code in read.country if not numbers.is_country(code)):
            raise SettingsError(
                f"{title}: there is no country {', '.join(nowhere)}.", hint="Write ISO 3166 alpha-2, such as UG or KE."
            )
    return route


def _no_secret(_reference: str) -> SecretStr:
    raise SecretMissing("A route holds no secret.")
