"""The agent: reads sources on a schedule, tags what it reads by tenant, and streams it to a ledger without losing any.

Arrow looks once, when it is loaded, whose memory it takes. Its own allocator would keep tens of megabytes that the C library's gives back
(see ``agent.memory``), so that is chosen here, before any module of the agent loads Arrow.
"""

from __future__ import annotations

import os

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
