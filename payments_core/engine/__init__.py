"""The engine: decisions about payouts as pure functions, and the flows that carry them through."""

from payments_core.engine.balances import Kept, kept_balances, no_balances, query_balances, read_balance_result
from payments_core.engine.callback_match import CallbackMatch, about, differs_from, match_callback
from payments_core.engine.cancellation import cancel
from payments_core.engine.context import StepContext, token_hash
from payments_core.engine.daily_limits import daily_limit_reached
from payments_core.engine.drafts import derived_references, draft_of, make_draft, refusals
from payments_core.engine.final_payouts import acknowledge, check
from payments_core.engine.lookups import (
    account_holder,
    ask_consent,
    ask_own,
    balances,
    cancel_at_provider,
    diagnose,
    name,
    operator,
    refresh_provider_config,
    user_info,
)
from payments_core.engine.previous_attempts import check_previous_attempts
from payments_core.engine.reissuance import reissue
from payments_core.engine.result_callbacks import Answered, Effect, answer
from payments_core.engine.review import OperatorDecision, approve, reopen, resolve
from payments_core.engine.review_actions import SAFE, STOPS, ProviderSays, ReviewAction, allowed
from payments_core.engine.same_order import differences, same_order
from payments_core.engine.steps import accept, advance, new_payout, send

__all__ = [
    "SAFE",
    "STOPS",
    "Answered",
    "CallbackMatch",
    "Effect",
    "Kept",
    "OperatorDecision",
    "ProviderSays",
    "ReviewAction",
    "StepContext",
    "about",
    "accept",
    "account_holder",
    "acknowledge",
    "advance",
    "allowed",
    "answer",
    "approve",
    "ask_consent",
    "ask_own",
    "balances",
    "cancel",
    "cancel_at_provider",
    "check",
    "check_previous_attempts",
    "daily_limit_reached",
    "derived_references",
    "diagnose",
    "differences",
    "differs_from",
    "draft_of",
    "kept_balances",
    "make_draft",
    "match_callback",
    "name",
    "new_payout",
    "no_balances",
    "operator",
    "query_balances",
    "read_balance_result",
    "refresh_provider_config",
    "refusals",
    "reissue",
    "reopen",
    "resolve",
    "same_order",
    "send",
    "token_hash",
    "user_info",
]
