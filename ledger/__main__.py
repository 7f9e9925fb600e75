"""``python -m ledger`` is ``meterbook ledger``."""

from __future__ import annotations

from ledger.cli.serve import ledger

if __name__ == "__main__":
    ledger(prog_name="meterbook ledger")
