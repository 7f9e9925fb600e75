"""Traces: how long a batch took on its way, and a request, told to an OTLP receiver where one is configured; the one home of OpenTelemetry.

Where none is, nothing is imported and every function here returns at once. Where one is, spans are queued within bounds and sent by a
thread of their own: a receiver that is slow or gone loses spans, and never holds up what is traced.

Requests carry their context in gRPC's metadata, as W3C Trace Context has it (``traceparent``). A stream has metadata but once and goes on for
days, so a batch has no context of its own there, and needs none: its hash, which both sides know, says it. The trace of a batch is the
first half of its hash, and a span in it is named by the hash and the stage, so that either side knows the other's spans. Stages are told of
when they are over, since what is collected has a hash only once it is sealed. Both sides decide by the same trace whether it is sampled.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from meterbook import logs, tracingvariables

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

#: From the source to the acknowledgement, and which stage each follows from.
Stage = Literal["collect", "spool", "send", "receive", "append", "ack"]
_BEFORE: Mapping[str, Stage | None] = {
    "collect": None, "spool": "collect", "send": "spool", "receive": "send", "append": "receive", "ack": "append",
}  # fmt: skip
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
#: How long what is queued may take at the end.
_LAST_S = 2.0
_log = logging.getLogger(__name__)


class Tracing(BaseModel):
    """Where traces go, and how many. What is not given is taken from the standard variables of OpenTelemetry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+:[0-9]+/?$",
        description="URL of an OTLP receiver over gRPC, such as http://otel-collector:4317; OTEL_EXPORTER_OTLP_ENDPOINT where it is not given.",
    )
    sample_ratio: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Part of all traces that is kept, 0 to 1; the same for agents and ledger. OTEL_TRACES_SAMPLER where it is not given, else all.",
    )


class CannotTrace(ValueError):
    """Traces are asked for and cannot be made; the message says what to do."""


class _Tracer:
    """What there is once traces go somewhere."""

    def __init__(self, provider: TracerProvider, ids: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.provider, self._ids = provider, ids
        self.tracer = provider.get_tracer("meterbook")
        self.propagator = TraceContextTextMapPropagator()

    def tell(self, stage: Stage, hash: bytes, began_ns: int, ended_ns: int, attributes: Mapping[str, Any]) -> None:
        from opentelemetry import trace

        trace_id = _trace_id(hash)
        from opentelemetry.sdk.trace.sampling import Decision

        if self.provider.sampler.should_sample(None, trace_id, stage).decision is not Decision.RECORD_AND_SAMPLE:
            return
        before, context = _BEFORE[stage], trace.set_span_in_context(trace.INVALID_SPAN)
        if before is not None:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            parent = trace.SpanContext(trace_id, _span_id(hash, before), is_remote=True, trace_flags=flags)
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent), context)
        with self._ids.given(trace_id, _span_id(hash, stage)):
            span = self.tracer.start_span(stage, context, start_time=began_ns, attributes={**attributes})
        span.end(ended_ns)


_tracer: _Tracer | None = None
#: When the collection began whose batches are sealed in this context, and of which source.
_collection: ContextVar[tuple[str, int] | None] = ContextVar("collection", default=None)


def begin(config: Tracing | None, service: str, instance: str) -> None:
    """Trace from now on, if it is asked for: by the configuration, or by a standard variable. Raises CannotTrace."""
    global _tracer
    asked = config is not None or any(os.environ.get(name) for name in _ENDPOINTS)
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if _tracer is not None or not asked or is_off:
        return
    config = config or Tracing()
    if found := "\n".join(tracingvariables.faults()):
        raise CannotTrace(found)
    try:
        _tracer = _made(config, service, instance)
    except ModuleNotFoundError as error:
        raise CannotTrace(f"tracing needs the Python module {error.name!r}: install meterbook[tracing]") from error
    except Exception as error:
        # What OpenTelemetry makes of its variables has no kind of its own.
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise CannotTrace(
            f"traces cannot be sent ({told}): look at OpenTelemetry's variables ({tracingvariables.given()})"
        ) from error
    for each in tracingvariables.remarks():
        _log.warning("%s", each)
    logs.also(_of_log)
    _log.info(
        "traces go to %s",
        config.endpoint or next(filter(None, map(os.environ.get, _ENDPOINTS)), "where OpenTelemetry has it"),
    )


def _made(config: Tracing, service: str, instance: str) -> _Tracer:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    class Ids(RandomIdGenerator):
        """Ids at random, but for spans whose ids follow from something."""

        def __init__(self) -> None:
            self._local = threading.local()

        @contextmanager
        def given(self, trace_id: int, span_id: int) -> Iterator[None]:
            self._local.given = trace_id, span_id
            try:
                yield
            finally:
                self._local.given = None

        def generate_trace_id(self) -> int:
            given = getattr(self._local, "given", None)
            return given[0] if given else super().generate_trace_id()

        def generate_span_id(self) -> int:
            given = getattr(self._local, "given", None)
            return given[1] if given else super().generate_span_id()

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    sampler = None if config.sample_ratio is None else ParentBased(TraceIdRatioBased(config.sample_ratio))
    ids = Ids()
    provider = TracerProvider(
        sampler=sampler,
        resource=Resource.create({**named, "service.instance.id": instance}),
        id_generator=ids,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=config.endpoint)))
    return _Tracer(provider, ids)


def end() -> None:
    """Send what is queued, for a moment, and trace no more. A receiver that is gone is not waited for."""
    global _tracer
    ending, _tracer = _tracer, None
    if ending is None:
        return
    logs.also(None)

    def shut_down() -> None:
        with suppress(Exception):
            ending.provider.shutdown()

    last = threading.Thread(target=shut_down, name="traces", daemon=True)
    last.start()
    last.join(_LAST_S)


def is_on() -> bool:
    """Whether traces go anywhere."""
    return _tracer is not None


def now_ns() -> int:
    """The time for :func:`told`; 0, and nothing is looked at, where nothing is traced."""
    return 0 if _tracer is None else time.time_ns()


def told(stage: Stage, hash: bytes, began_ns: int, **attributes: Any) -> None:
    """A stage of a batch is over that began then; nothing where that was not known."""
    if _tracer is not None and began_ns:
        _tracer.tell(stage, hash, began_ns, time.time_ns(), attributes)


def ids(hash: bytes) -> Mapping[str, str]:
    """What a record of the log about a batch has besides; nothing where nothing is traced."""
    return {} if _tracer is None else {"trace_id": f"{_trace_id(hash):032x}"}


@contextmanager
def _collecting(source: str) -> Iterator[None]:
    token = _collection.set((source, time.time_ns()))
    try:
        yield
    finally:
        _collection.reset(token)


def collecting(source: str) -> AbstractContextManager[None]:
    """What is sealed inside was collected from this source, from now on."""
    return nullcontext() if _tracer is None else _collecting(source)


def sealed(hashes: Sequence[tuple[int, bytes]], began_ns: int, **attributes: Any) -> None:
    """Batches, by sequence and hash, are in the spool; sealing them began then."""
    tracer, collection, now = _tracer, _collection.get(), time.time_ns()
    if tracer is None or not began_ns:
        return
    for sequence, digest in hashes:
        about = {**attributes, "sequence": sequence}
        if collection is not None:
            tracer.tell("collect", digest, collection[1], began_ns, {**about, "source": collection[0]})
        tracer.tell("spool", digest, began_ns, now, about)


def span(name: str, metadata: Sequence[tuple[str, Any]] = (), **attributes: Any) -> AbstractContextManager[Any]:
    """A span of what is done inside, below the one of a caller whose metadata says so, else below the present one."""
    tracer = _tracer
    if tracer is None:
        return nullcontext()
    context: Context | None = None
    carried = {key: value for key, value in metadata if key in ("traceparent", "tracestate")}
    if carried:
        context = tracer.propagator.extract(carried)
    return tracer.tracer.start_as_current_span(name, context, attributes=attributes)


def metadata() -> tuple[tuple[str, str], ...]:
    """What a call carries so that its trace goes on where it is answered; nothing where there is none."""
    if _tracer is None:
        return ()
    carried: dict[str, str] = {}
    _tracer.propagator.inject(carried)
    return tuple(carried.items())


def _of_log() -> Mapping[str, str]:
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} if context.is_valid else {}


def _trace_id(hash: bytes) -> int:
    return int.from_bytes(hash[:16], "big") or 1


def _span_id(hash: bytes, stage: str) -> int:
    return int.from_bytes(hashlib.sha256(hash + stage.encode()).digest()[:8], "big") or 1
