"""The engine: decisions about payouts as pure functions, and the flows that carry them through."""

from payments_core.engine.amount_checks import check_amount
from payments_core.engine.balances import Kept, ask_balances, hear_balances, kept_balances, no_balances
from payments_core.engine.callback_match import Hearing, about, differs_from, hear
from payments_core.engine.cancellation import cancel
from payments_core.engine.context import Moment
from payments_core.engine.drafts import draft_of, make_draft
from payments_core.engine.final_payouts import acknowledge, check
from payments_core.engine.lookups import (
    account_holder,
    ask_consent,
    ask_own,
    balances,
    cancel_at_provider,
    diagnose,
    learn,
    name,
    operator,
    user_info,
)
from payments_core.engine.previous_attempts import look_back
from payments_core.engine.reissue import pay_again
from payments_core.engine.result_callbacks import Answered, Effect, answer
from payments_core.engine.review import Person, approve, reopen, resolve
from payments_core.engine.review_actions import SAFE, STOPS, Act, Says, allowed
from payments_core.engine.same_order import same_order
from payments_core.engine.steps import accept, advance, token_hash

__all__ = [
    "SAFE",
    "STOPS",
    "Act",
    "Answered",
    "Effect",
    "Hearing",
    "Kept",
    "Moment",
    "Person",
    "Says",
    "about",
    "accept",
    "account_holder",
    "acknowledge",
    "advance",
    "allowed",
    "answer",
    "approve",
    "ask_balances",
    "ask_consent",
    "ask_own",
    "balances",
    "cancel",
    "cancel_at_provider",
    "check",
    "check_amount",
    "diagnose",
    "differs_from",
    "draft_of",
    "hear",
    "hear_balances",
    "kept_balances",
    "learn",
    "look_back",
    "make_draft",
    "name",
    "no_balances",
    "operator",
    "pay_again",
    "reopen",
    "resolve",
    "same_order",
    "token_hash",
    "user_info",
]
