"""What is valid in definitions and yet probably a mistake, found without a ledger."""

from __future__ import annotations
