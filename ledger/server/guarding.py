"""Handlers behind a door: something is done, or found out, before a method runs, whatever its form.

gRPC lets an interceptor exchange a method's handler, and handlers have one of four forms. The door is the same for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc


def guarded(handler: Any, admit: Callable[..., Awaitable[None]]) -> Any:
    """The same handler, which runs once ``admit`` has returned; that is given the context and, but for streams, the request, or aborts."""

    async def unary_unary(request: Any, context: Any) -> Any:
        await admit(context, request)
        return await handler.unary_unary(request, context)

    async def unary_stream(request: Any, context: Any) -> AsyncIterator[Any]:
        await admit(context, request)
        async with aclosing(handler.unary_stream(request, context)) as answers:
            async for answer in answers:
                yield answer

    async def stream_stream(requests: Any, context: Any) -> AsyncIterator[Any]:
        await admit(context)
        async with aclosing(handler.stream_stream(requests, context)) as answers:
            async for answer in answers:
                yield answer

    coding = {
        "request_deserializer": handler.request_deserializer,
        "response_serializer": handler.response_serializer,
    }
    if handler.request_streaming:
        assert handler.response_streaming, "no service has a method that streams requests only"
        return grpc.stream_stream_rpc_method_handler(stream_stream, **coding)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(unary_stream, **coding)
    return grpc.unary_unary_rpc_method_handler(unary_unary, **coding)
