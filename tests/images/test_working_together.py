"""Agent and ledger from their images: what a log says is what the ledger answers, an invoice becomes PDF, and both end when they are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from examples.demo.processes import free_ports
from images.kinds import HOME, IMAGES, UID, Image
from tests.images.entering import BUILT_IMAGES, SURROUNDINGS, entered, needs_root

pytestmark = [*BUILT_IMAGES, needs_root]
AGENT, LEDGER = IMAGES["agent"], IMAGES["ledger"]
EVENTS = 137
DEFINITIONS: list[dict[str, Any]] = [
    {
        "kind": "meter",
        "name": "orders",
        "spec": {"source": {"event": "shop.order"}, "aggregation": "count", "unit": "order"},
    },
    {
        "kind": "plan",
        "name": "team",
        "spec": {
            "currency": "EUR",
            "charges": [{"meter": "orders", "tiers": [{"up_to": None, "unit_price": 0.05}]}],
        },
    },
    {"kind": "tenant", "name": "acme", "spec": {}},
    {"kind": "subscription", "name": "acme-team", "spec": {"tenant": "acme", "plan": "team", "start": "2026-01-01"}},
]


@contextmanager
def started(image: Image, home: Path, page: str, *command: str) -> Iterator[list[int]]:
    """Run an image until ``page`` answers 200; in the end it is asked to stop, and its exit code is put into the list."""
    codes: list[int] = []
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            entered(image, "/usr/local/bin/meterbook", *command, home=home, networked=True),
            stdout=out,
            stderr=out,
            env=SURROUNDINGS,
        )
    try:
        while not answers(page):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        yield codes
        (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        os.kill(int(first), signal.SIGTERM)
        codes.append(process.wait())
    finally:
        process.kill()
        process.wait()


def answers(page: str) -> bool:
    try:
        return httpx.get(page, trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def asked(image: Image, home: Path, *command: str) -> str:
    """What a command of an image prints."""
    words = entered(image, "/usr/local/bin/meterbook", *command, home=home, networked=True)
    done = subprocess.run(words, capture_output=True, text=True, env=SURROUNDINGS)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def volume(path: Path) -> Path:
    """A folder that is nobody's, as a volume is."""
    path.mkdir()
    os.chown(path, UID, UID)
    return path


def event(number: int) -> str:
    """A line of the log."""
    document = {"specversion": "1.0", "source": "/shop", "id": f"order-{number}", "type": "shop.order"}
    return json.dumps(document | {"subject": "acme", "time": f"2026-01-15T10:{number % 60:02}:00Z"}) + "\n"


def configured(home: Path, ledger: str, http: str) -> None:
    """Write the agent's configuration and the log that it reads."""
    config = {
        "agent": "from-an-image",
        "ledger": {"endpoint": ledger},
        "spool": {"path": f"{HOME}/agent.spool"},
        "http": {"listen": http},
        "tags": {"rules": [{"from": "subject"}]},
        "sources": [{"kind": "logfile", "name": "logfile/shop", "path": f"{HOME}/usage.log", "interval_s": 1}],
    }
    (home / "agent.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (home / "usage.log").write_text("".join(map(event, range(EVENTS))), encoding="utf-8")


def counted(home: Path, *at: str) -> list[str]:
    """The quantities that ``meterbook usage`` tells."""
    return [
        row["quantity"] for row in json.loads(asked(LEDGER, home, "usage", "--meter", "orders", "--json", *at))["rows"]
    ]


def test_what_a_log_says_is_what_the_ledger_answers_and_bills(tmp_path: Path) -> None:
    kept, spool = volume(tmp_path / "ledger"), volume(tmp_path / "agent")
    listen, ready, healthy = (f"127.0.0.1:{port}" for port in free_ports(3))
    configured(spool, listen, healthy)
    at = ("--ledger", listen)
    (kept / "definitions.yaml").write_text(yaml.safe_dump_all(DEFINITIONS), encoding="utf-8")
    serve = ("ledger", "serve", "--store", f"file:{HOME}/book", "--listen", listen, "--http", ready)
    run = ("agent", "run", "--config", f"{HOME}/agent.yaml")
    with started(LEDGER, kept, f"http://{ready}/readyz", *serve) as ledger_codes:
        asked(LEDGER, kept, "apply", "-f", f"{HOME}/definitions.yaml", *at)
        with started(AGENT, spool, f"http://{healthy}/healthz", *run) as agent_codes:
            while counted(kept, *at) != [str(EVENTS)]:
                time.sleep(0.5)
        shown = ("invoice", "show", "acme", "--draft", "--at", "2026-01-15T00:00:00Z", "--format", "pdf")
        asked(LEDGER, kept, *shown, "--output", f"{HOME}/invoice.pdf", *at)
        assert "the book holds" in asked(LEDGER, kept, "verify", *at)
    assert (kept / "invoice.pdf").read_bytes().startswith(b"%PDF-")
    assert (agent_codes, ledger_codes) == ([0], [0])
