"""Asks the ledger whether it is ready, for a signed checkpoint, and for its agents: with `meterbook`, where there are credentials.

Arguments: seconds to wait, the URL of /readyz, and agents of which a new sample must arrive. METERBOOK_LEDGER is where to ask, and
is unset where nobody can.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request


def ready(url: str) -> str:
    """Why the ledger is not ready; empty if it is."""
    try:
        with urllib.request.urlopen(url, timeout=10):
            return ""
    except OSError as error:
        # An answer with another status has the reason in its body.
        told = error.read().decode().strip() if hasattr(error, "read") else ""
        return told or str(error)


def answer(*command: str) -> str:
    """What the ledger answers to a command; ends with its words where it refuses."""
    insecure = ["--insecure"] if os.environ.get("TEST_INSECURE") else []
    asked = subprocess.run(["meterbook", *command, "--timeout-s", "20", *insecure], capture_output=True, text=True)
    if asked.returncode:
        sys.exit(asked.stderr.strip() or f"meterbook {' '.join(command)} failed")
    return asked.stdout


def brought() -> dict[str, int]:
    """Samples and events of every agent."""
    found: dict[str, int] = {}
    for row in json.loads(answer("agents", "--json")).get("rows", []):
        found[row["agent"]] = found.get(row["agent"], 0) + int(row.get("samples", 0)) + int(row.get("events", 0))
    return found


def main() -> None:
    deadline_s = time.monotonic() + float(sys.argv[1])
    agents = sys.argv[3:]
    while (reason := ready(sys.argv[2])) and time.monotonic() < deadline_s:
        time.sleep(2)
    if reason:
        sys.exit(f"not ready: {reason}")
    sys.stdout.write("ready\n")
    if not os.environ.get("METERBOOK_LEDGER"):
        sys.stdout.write("not asked for more: there is no token, or no authority for the certificate\n")
        return
    sys.stdout.write(answer("checkpoint"))
    first = now = brought()
    sys.stdout.write(f"agents: {first}\n")
    waiting = agents
    while waiting and time.monotonic() < deadline_s:
        time.sleep(2)
        now = brought()
        waiting = [agent for agent in agents if now.get(agent, 0) <= first.get(agent, 0)]
    if waiting:
        sys.exit(f"no new sample of {', '.join(waiting)} arrived within {sys.argv[1]} s")


main()
