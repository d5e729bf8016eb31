"""Whatever the routes are: what is chosen without knowing the operator is right for every operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments_core.domain.errors import SettingsError
from payments_core.domain.payout import Operation

OPERATORS = ["mtn", "airtel", "orange"]
TABLES = st.fixed_dictionaries(
    {"account": st.sampled_from(["mtn-ug", "airtel-ug", "broker", "deposits"])},
    optional={
        "country": st.sampled_from(["UG", "KE", ["UG", "KE"]]),
        "operator": st.sampled_from([*OPERATORS, ["mtn", "orange"]]),
        "operation": st.sampled_from(["transfer", "deposit"]),
    },
)
EVERY_OPERATOR = [*OPERATORS, "another"]
MANY = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],  # a loaded machine is no fault
)
TO = st.sampled_from(["+256772123456", "+256752123456", "+254722123456"])


BY_DEFAULT = st.booleans()


def in_words(table: dict[str, Any], to: str, operator: str, by_default: bool) -> bool:
    """Say whether a route takes a payout of shillings, written down once more and as plainly as can be."""
    country = "UG" if to.startswith("+256") else "KE"
    wanted = table.get("operator", operator)
    operation = "deposit" if by_default and table["account"] == "deposits" else "transfer"
    return (
        country in table.get("country", country)
        and operator in ([wanted] if isinstance(wanted, str) else wanted)
        and table.get("operation", operation) == operation
    )


def first(tables: list[dict[str, Any]], to: str, operator: str, by_default: bool) -> str:
    return next((table["account"] for table in tables if in_words(table, to, operator, by_default)), "")


def candidates(tables: list[dict[str, Any]], to: str, by_default: bool) -> Iterator[str]:
    """Yield the accounts of routes that match for some operator, up to one that matches for all."""
    for table in tables:
        matches = [in_words(table, to, operator, by_default) for operator in EVERY_OPERATOR]
        if any(matches):
            yield table["account"]
        if all(matches):
            return


@given(tables=st.lists(TABLES, min_size=1, max_size=5), to=TO, by_default=BY_DEFAULT)
@MANY
def test_chosen_account_depends_on_nothing_unknown(
    read: Any, choose_by: Any, tables: list[Any], to: str, by_default: bool
) -> None:
    """Chosen only when every operator that there could be leads to the same account, and then unless routes that could
    match one by one lead elsewhere.
    """
    try:
        routes = read(*(table | {"operator_hint": "refuse"} for table in tables))
    except SettingsError:  # one is hidden
        return
    outcomes = {first(tables, to, operator, by_default) for operator in EVERY_OPERATOR}
    operation = None if by_default else Operation.TRANSFER
    choice = choose_by(routes, to, ask=False, operation=operation).choice

    if choice.account:
        assert outcomes == {choice.account}
    elif len(outcomes) == 1 and outcomes != {""}:
        assert len(set(candidates(tables, to, by_default))) > 1


@given(
    tables=st.lists(TABLES, min_size=1, max_size=5), to=TO, operator=st.sampled_from(OPERATORS), by_default=BY_DEFAULT
)
@MANY
def test_known_operator_takes_the_first_matching_route(
    read: Any, choose_by: Any, tables: list[Any], to: str, operator: str, by_default: bool
) -> None:
    try:
        routes = read(*tables)
    except SettingsError:
        return
    expected = first(tables, to, operator, by_default)
    operation = None if by_default else Operation.TRANSFER

    assert choose_by(routes, to, says=operator, operation=operation).choice.account == expected
    fields = {"broker": operator}
    found = choose_by(routes, to, answers=fields, operation=operation)
    if found.asked:
        assert found.choice.account == expected


@given(tables=st.lists(TABLES, min_size=2, max_size=5))
@MANY
def test_route_refused_as_hidden_would_never_be_taken(read: Any, tables: list[Any]) -> None:
    """The check at start refuses nothing that could have had its turn."""
    try:
        read(*tables)
    except SettingsError as refused:
        number = int(refused.message.split("number ")[1].split()[0])
    else:
        return
    earlier, hidden = tables[: number - 1], tables[number - 1]
    for to in ("+256772123456", "+254722123456"):
        for operator in OPERATORS:
            for by_default in (False, True):
                if in_words(hidden, to, operator, by_default):
                    assert first(earlier, to, operator, by_default)
