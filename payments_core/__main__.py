"""``python -m payments_core`` is ``payouts``."""

from __future__ import annotations

from payments_core.cli import main

if __name__ == "__main__":
    main()
