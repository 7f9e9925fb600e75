"""A target with a hundred thousand series, in a process of its own, that answers as fast as it can.

Its pages are rendered before the first scrape, a few of them, each with counters that went on; scrapes get one after the other,
compressed for those who take gzip unless told otherwise. ``/scrapes`` says how many there were.

    python -m bench._pages --port 9100 [--series 100000] [--plain]
"""

from __future__ import annotations

import argparse
import gzip
import random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: How many pages there are; together they take a tenth of a gigabyte.
PAGES = 6
SERIES_PER_FAMILY = 1_000
_GZIP_LEVEL = 6


def pages(series: int) -> list[bytes]:
    """Pages of one program, one scrape after the other. A tenth of the counters rest in between, as most do in reality."""
    draw = random.Random(7)
    values = [draw.randrange(10**7) for _ in range(series)]
    found = []
    for _ in range(PAGES):
        lines: list[str] = []
        for number, value in enumerate(values):
            family, place = divmod(number, SERIES_PER_FAMILY)
            if place == 0:
                lines += (
                    f"# HELP shop_requests_{family}_total Requests that the shop has answered, by path, method and code.",
                    f"# TYPE shop_requests_{family}_total counter",
                )
            labels = f'service="shop-{place % 20}",path="/api/v1/orders/{place}",method="GET",code="{200 + place % 5}"'
            lines.append(f"shop_requests_{family}_total{{{labels}}} {value}")
        found.append(("\n".join(lines) + "\n").encode())
        values = [value + (draw.randrange(1_000) if draw.random() > 0.1 else 0) for value in values]
    return found


class Pages(ThreadingHTTPServer):
    """Serves them."""

    daemon_threads = True

    def __init__(self, port: int, bodies: list[bytes], plain: bool) -> None:
        self.bodies = bodies
        self.compressed = [] if plain else [gzip.compress(body, _GZIP_LEVEL) for body in bodies]
        self.scrapes = 0
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Pages)
        if self.path != "/metrics":
            self._answer(str(server.scrapes).encode(), {})
            return
        zipped = server.compressed and "gzip" in self.headers.get("Accept-Encoding", "")
        body = (server.compressed if zipped else server.bodies)[server.scrapes % PAGES]
        self._answer(body, {"Content-Encoding": "gzip"} if zipped else {})
        server.scrapes += 1

    def _answer(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A line for each scrape is of use to nobody."""


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    Pages(given.port, pages(given.series), given.plain).serve_forever()


if __name__ == "__main__":
    main()
