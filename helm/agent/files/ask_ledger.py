"""Waits until the ledger tells of more samples or events of every agent than it did: with `meterbook agents`, and the token of an operator.

Arguments: seconds to wait, and the agents' names.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time


def brought(agents: list[str]) -> dict[str, int]:
    """What each agent brought so far; ends with the ledger's own words where it does not answer."""
    asked = subprocess.run(["meterbook", "agents", "--json", "--timeout-s", "20"], capture_output=True, text=True)
    if asked.returncode:
        sys.exit(asked.stderr.strip() or "meterbook agents failed")
    found = dict.fromkeys(agents, 0)
    for row in json.loads(asked.stdout).get("rows", []):
        if row["agent"] in found:
            found[row["agent"]] += int(row.get("samples", 0)) + int(row.get("events", 0))
    return found


def main() -> None:
    deadline_s = time.monotonic() + float(sys.argv[1])
    agents = sys.argv[2:]
    first = brought(agents)
    waiting = set(agents)
    while waiting and time.monotonic() < deadline_s:
        time.sleep(2)
        now = brought(agents)
        waiting = {agent for agent in agents if now[agent] <= first[agent]}
    if waiting:
        sys.exit(f"no new sample of {', '.join(sorted(waiting))} reached the ledger within {sys.argv[1]} s")
    sys.stdout.write(f"new samples of {', '.join(agents)} reached the ledger\n")


main()
