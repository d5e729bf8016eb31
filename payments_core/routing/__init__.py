"""From which account a payout is paid, when its caller names none: the routes of the configuration, and why.

The decision is pure: its input is an order, the routes, and what is known of the payee; its result explains itself.
Nothing is guessed: a choice that depends on something unknown is refused, with what is unknown.
"""

from payments_core.routing.choice import Choice, Choosing, choose
from payments_core.routing.operators import BRANDS, IGNORED, OPERATORS, PORTABLE
from payments_core.routing.payees import PayeeFacts, Source
from payments_core.routing.routes import Route, RouteSettings, read_routes
from payments_core.routing.trying import Tried, Verdict

__all__ = [
    "BRANDS",
    "IGNORED",
    "OPERATORS",
    "PORTABLE",
    "Choice",
    "Choosing",
    "PayeeFacts",
    "Route",
    "RouteSettings",
    "Source",
    "Tried",
    "Verdict",
    "choose",
    "read_routes",
]
