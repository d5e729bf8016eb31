"""Values and rules of payments: money, payees, payouts, what is stored of them, events and errors."""
