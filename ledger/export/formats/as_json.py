"""JSON for programs: the document as it was finalized, indented, and beside it what it has been given since.

``invoice`` is the document itself: written with sorted keys and without spaces it is the text that was finalized, which ``jq -cjS .invoice`` does.
"""

from __future__ import annotations

import json

from ledger.export.copy import Copy
from ledger.export.format import Format


def write(copy: Copy) -> bytes:
    """The copy as UTF-8 JSON, with a line feed at the end."""
    told = {
        "id": copy.id,
        "issued": copy.issued,
        "record_hash": copy.record_hash,
        "verify": copy.verify,
        "invoice": json.loads(copy.document),
    }
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


JSON = Format("json", "application/json", ".json", write)
