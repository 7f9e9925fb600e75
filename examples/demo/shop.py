"""The shop: a small multi-tenant web application, as a customer of Meterbook would have one.

It serves requests over HTTP, counts them per tenant with ``prometheus_client``, and appends an event for each order to a
usage log that is rotated while it runs. It knows nothing of Meterbook. Beside all that it keeps plain integers of its
own and shows them under /truth: what the ledger says in the end is compared with those.

Run as ``python -m examples.demo.shop PORT USAGE_LOG``.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import choose_encoder

BODY_BYTES_MAX = 100_000


class Shop:
    """The shop's books: metrics for whoever scrapes them, and the truth."""

    def __init__(self, usage_log: Path) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter("shop_requests_total", "Requests.", ["tenant"], registry=self.registry)
        self._bytes = Counter("shop_response_bytes_total", "Bytes sent.", ["tenant"], registry=self.registry)
        self._stored = Gauge("shop_stored_bytes", "Bytes of orders kept.", ["tenant"], registry=self.registry)
        self._log = usage_log
        self._lock = threading.Lock()
        self.truth: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def served(self, tenant: str, size: int) -> None:
        """One request was answered with ``size`` bytes."""
        with self._lock:
            self._requests.labels(tenant).inc()
            self._bytes.labels(tenant).inc(size)
            self.truth[tenant]["requests"] += 1
            self.truth[tenant]["egress"] += size

    def ordered(self, tenant: str, cents: int) -> None:
        """One order was placed."""
        with self._lock:
            number = self.truth[tenant]["orders"] + 1
            event = {
                "specversion": "1.0",
                "source": "/shop",
                "id": f"{tenant}-{number}",
                "type": "shop.order",
                "subject": tenant,
                "time": datetime.now(UTC).isoformat(),
                "data": {"value": f"{cents // 100}.{cents % 100:02d}"},
            }
            # Opened anew each time, so that a rotated log is left behind at once.
            with self._log.open("a") as file:
                file.write(json.dumps(event) + "\n")
            self.truth[tenant]["orders"] = number
            self.truth[tenant]["order_cents"] += cents
            self._stored.labels(tenant).inc(len(json.dumps(event)))


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = parse_qs(parts.query)
            if parts.path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(encode(shop.registry), content_type)
            elif parts.path == "/truth":
                self._answer(json.dumps(shop.truth).encode(), "application/json")
            elif parts.path.startswith("/t/"):
                tenant, size = parts.path[3:], min(int(asked["size"][0]), BODY_BYTES_MAX)
                shop.served(tenant, size)
                if "cents" in asked:
                    shop.ordered(tenant, int(asked["cents"][0]))
                self._answer(b"x" * size, "text/plain")
            else:
                self.send_error(404)

        def _answer(self, body: bytes, content_type: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The load makes hundreds of requests a second."""

    return Handler


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _handler(Shop(Path(sys.argv[2])))).serve_forever()
