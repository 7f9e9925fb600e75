"""Waits until the agents have samples that the ledger has acknowledged since: by their own /metrics, so that no token is needed.

Arguments: seconds to wait, and the URL of /metrics; each address of its host is an agent.
"""

from __future__ import annotations

import socket
import sys
import time
import urllib.parse
import urllib.request

SAMPLES, EVENTS = "meterbook_agent_samples_total", "meterbook_agent_events_total"
ACKNOWLEDGED = "meterbook_agent_acknowledged_sequence"


def pages(url: str) -> dict[str, str]:
    """What every agent shows, by its address."""
    parts = urllib.parse.urlsplit(url)
    found = {}
    for *_, place in socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM):
        host = f"[{place[0]}]" if ":" in place[0] else place[0]
        with urllib.request.urlopen(f"http://{host}:{place[1]}{parts.path}", timeout=10) as answer:
            found[host] = answer.read().decode()
    return found


def total(page: str, *names: str) -> float:
    """The sum of all series of some metrics."""
    lines = (line for line in page.splitlines() if line.partition("{")[0].partition(" ")[0] in names)
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def main() -> None:
    deadline_s = time.monotonic() + float(sys.argv[1])
    first: dict[str, float] = {}
    waiting = {"any agent": "none answers"}
    while waiting and time.monotonic() < deadline_s:
        try:
            found = pages(sys.argv[2])
        except OSError as error:
            waiting = {"any agent": str(error)}
            time.sleep(2)
            continue
        waiting = {}
        for host, page in found.items():
            acknowledged = total(page, ACKNOWLEDGED)
            if not total(page, SAMPLES, EVENTS):
                waiting[host] = "has no samples yet"
            elif acknowledged <= first.setdefault(host, acknowledged):
                waiting[host] = f"the ledger has acknowledged nothing after batch {acknowledged:g}"
        time.sleep(2)
    if waiting:
        sys.exit("\n".join(f"{host}: {why}" for host, why in waiting.items()))
    sys.stdout.write("the ledger acknowledged new samples of every agent\n")


main()
