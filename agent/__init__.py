"""The agent: reads sources on a schedule, tags what it reads by tenant, and streams it to a ledger without losing any.

Arrow looks once, when it is loaded, whose memory it takes. Its own allocator would keep tens of megabytes that the C library's gives back
(see ``agent.memory``), so that is chosen here, before any module of the agent loads Arrow. And httpx would load its command line, with a
library for terminals: 4 MB that no agent needs.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
