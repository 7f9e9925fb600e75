"""Every request has a name: what the log says of it can be found, and set beside what the caller's log says.

The name is taken from the metadata ``x-request-id``, where a caller or a gateway gave one that can stand in a log; else it is made. It goes
back in the metadata: at once on a stream, which may last for days, and with the status on everything else. All that is logged
while the request is handled has it, with the method and, once that is known, who calls (see ``authentication``).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from ledger.access import policy
from ledger.server.guarding import guarded
from meterbook import logs

HEADER = "x-request-id"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")


class Naming(grpc.aio.ServerInterceptor):
    """Gives each request its name. Stands before all other interceptors, so that their records have it, too."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler, which begins by binding the name."""
        handler, method = await continuation(handler_call_details), handler_call_details.method
        if handler is None or policy.is_open(method):
            return handler

        async def name(context: Any, request: Any = None) -> None:
            found = request_id(context.invocation_metadata())
            logs.bind(request_id=found, method=method.lstrip("/"))
            if handler.request_streaming:
                await context.send_initial_metadata(((HEADER, found),))
            else:
                context.set_trailing_metadata(((HEADER, found),))

        return guarded(handler, name)


def request_id(metadata: Any) -> str:
    """The one name in the metadata if it can stand in a log, else a new one."""
    given = [value for key, value in metadata or () if key == HEADER]
    if len(given) == 1 and isinstance(given[0], str) and _SANE.fullmatch(given[0]):
        return given[0]
    return uuid.uuid4().hex
