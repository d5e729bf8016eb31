"""The pawaPay provider for ``payments_core``; its emulator is ``payments_pawapay.emulator.PawapayEmulator``."""
