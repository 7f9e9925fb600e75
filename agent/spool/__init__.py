"""What was collected waits here, durable and sealed, until the ledger has it.

``spool`` is the spool itself: appending, acknowledging, resuming. ``file`` is its SQLite file, ``series`` the stored
definitions, ``definitions`` the same in memory, ``sealing`` how content becomes batches. Only here is SQLite used.
"""

from __future__ import annotations

from agent.spool.sealing import SealedBatch
from agent.spool.spool import Progress, Sizes, Spool

__all__ = ["Progress", "SealedBatch", "Sizes", "Spool"]
