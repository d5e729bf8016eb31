"""Files of payees: read, checked, and later approved and paid as one batch."""
