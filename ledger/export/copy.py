"""A copy of an invoice: what was finalized, and all that a format needs to write it down.

The document is the truth, to the byte; what was read of it is here as well, so that no format reads it again. What a copy adds is what the document cannot hold because
it comes after it: the number, the day of issue and the hash of its record.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger.billing.invoice import Invoice
from ledger.export.wording import Wording
from meterbook.wire import instants


@dataclass(frozen=True)
class Copy:
    """One invoice to write down, in one language.

    ``id`` is "" for a draft, ``issued_us`` None where it is not issued. ``record_hash`` is that of its record in the log, in hexadecimal, "" where it is
    not known. ``fonts`` is a folder with more fonts than a format brings along.
    """

    document: str
    invoice: Invoice
    wording: Wording
    id: str = ""
    issued_us: int | None = None
    record_hash: str = ""
    fonts: Path | None = None

    @property
    def is_draft(self) -> bool:
        """Whether it has no number yet."""
        return not self.id

    @property
    def issued(self) -> str:
        """When it was issued, RFC 3339; "" where it was not."""
        return "" if self.issued_us is None else instants.text(self.issued_us)

    @property
    def verify(self) -> str:
        """The command that proves it; "" for a draft."""
        return f"meterbook invoice verify {self.id}" if self.id else ""

    @property
    def due(self) -> str:
        """The day on which it is due, as a person writes it; "" where no day is stated, or nothing is to be paid."""
        days = self.invoice.paper.payment_days
        if days is None or self.issued_us is None or self.invoice.total <= 0:
            return ""
        return self.wording.due(self.issued_us, days)
