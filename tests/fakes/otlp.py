"""A receiver of traces: the gRPC service of the OpenTelemetry Protocol 1.x, section "OTLP/gRPC" of its specification.

It takes ``ExportTraceServiceRequest`` as ``opentelemetry/proto/collector/trace/v1/trace_service.proto`` has it, answers each with an empty
``ExportTraceServiceResponse``, which means that all was taken, and keeps the spans with the name of the service that told them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True)
class Span:
    """What was told of a span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]


class Receiver(TraceServiceServicer):
    """Keeps what comes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        self.endpoint = ""

    @property
    def spans(self) -> list[Span]:
        """All so far, in the order in which they came."""
        with self._lock:
            return list(self._spans)

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        """Take some spans."""
        for resource in request.resource_spans:
            service = _plain(resource.resource.attributes).get("service.name", "")
            found = [_span(str(service), each) for scope in resource.scope_spans for each in scope.spans]
            with self._lock:
                self._spans += found
        return ExportTraceServiceResponse()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens on loopback."""
    receiver, server = Receiver(), grpc.server(ThreadPoolExecutor(4))
    add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


def _span(service: str, told: Any) -> Span:
    ids = (told.trace_id.hex(), told.span_id.hex(), told.parent_span_id.hex())
    return Span(service, told.name, *ids, told.start_time_unix_nano, told.end_time_unix_nano, _plain(told.attributes))


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
