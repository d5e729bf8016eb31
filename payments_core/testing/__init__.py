"""For tests of payouts: emulators of gateways, a provider's promises as tests to inherit, and a search for leaks."""
