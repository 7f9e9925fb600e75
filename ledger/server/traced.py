"""A span of each request, below that of a caller who says in the metadata ``traceparent`` where it belongs.

It has the ids that the log has: name of the request, method, and once it is known who calls. Streams have none: they last for days, and
what matters of them are batches, whose traces say when each was received, written and acknowledged (see ``intake_service``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from ledger.access import policy
from meterbook import logs, tracing


class Traced(grpc.aio.ServerInterceptor):
    """Stands behind what names requests, and before all that takes time."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler inside a span."""
        handler, method = await continuation(handler_call_details), handler_call_details.method
        if handler is None or policy.is_open(method) or handler.request_streaming:
            return handler
        name = method.lstrip("/")
        coding = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }

        async def unary(request: Any, context: Any) -> Any:
            with tracing.span(name, context.invocation_metadata() or (), **logs.ids()):
                return await handler.unary_unary(request, context)

        async def streamed(request: Any, context: Any) -> AsyncIterator[Any]:
            with tracing.span(name, context.invocation_metadata() or (), **logs.ids()):
                async with aclosing(handler.unary_stream(request, context)) as answers:
                    async for answer in answers:
                        yield answer

        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(streamed, **coding)
        return grpc.unary_unary_rpc_method_handler(unary, **coding)
