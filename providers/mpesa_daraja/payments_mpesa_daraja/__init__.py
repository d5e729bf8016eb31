"""M-Pesa Kenya (Safaricom Daraja, B2C v3) for ``payments_core``."""

from payments_mpesa_daraja.settings import MpesaDarajaSettings

__all__ = ["MpesaDarajaSettings"]
