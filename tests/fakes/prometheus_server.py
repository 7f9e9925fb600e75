"""The query API of a Prometheus that holds samples, as far as range selectors in instant queries go.

Follows "HTTP API" (section "Instant queries") and "Querying basics" ("Range Vector Selectors") of the Prometheus documentation: before version
3 both ends of a range belong to it, since then the left one does not. It understands selectors of one label only.
"""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.fakes.http_target import Answer

_QUERY = re.compile(r'(?P<name>[a-zA-Z_:]\w*)?(?:\{(?P<label>\w+)="(?P<value>[^"]*)"\})?\[(?P<range>\d+)ms\]')


class History:
    """Samples by series (labels, ``__name__`` among them), times in milliseconds; nothing before ``kept_since_ms`` is answered."""

    def __init__(self, *, left_belongs: bool = False) -> None:
        self.samples: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
        self.queries: list[str] = []
        self.kept_since_ms = 0
        self._left_belongs = left_belongs

    def add(self, time_ms: int, value: float, name: str, **labels: str) -> None:
        self.samples.setdefault(tuple(sorted({"__name__": name, **labels}.items())), []).append((time_ms, value))

    def answer(self) -> Answer:
        """For a FakeTarget."""

        def respond(handler: BaseHTTPRequestHandler) -> None:
            parts = urlsplit(handler.path)
            given = {key: texts[0] for key, texts in parse_qs(parts.query).items()}
            self.queries.append(given.get("query", ""))
            found = _QUERY.fullmatch(given.get("query", ""))
            if parts.path != "/api/v1/query" or found is None:
                _send(handler, 400, {"status": "error", "errorType": "bad_data", "error": "parse error"})
                return
            end_ms = round(float(given["time"]) * 1_000)
            since_ms = end_ms - int(found["range"])

            def holds(at_ms: int) -> bool:
                return (since_ms <= at_ms if self._left_belongs else since_ms < at_ms) and at_ms <= end_ms

            result = []
            for key, samples in self.samples.items():
                labels = dict(key)
                if found["name"] not in (None, labels["__name__"]):
                    continue
                if found["label"] is not None and labels.get(found["label"], "") != found["value"]:
                    continue
                values = [[at / 1_000, _text(value)] for at, value in samples if holds(at) and at >= self.kept_since_ms]
                if values:
                    result.append({"metric": labels, "values": values})
            _send(handler, 200, {"status": "success", "data": {"resultType": "matrix", "result": result}})

        return respond


def _text(value: float) -> str:
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))


def _send(handler: BaseHTTPRequestHandler, status: int, document: object) -> None:
    body = json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
