"""Who is calling, asked before any handler runs.

An interceptor reads ``authorization: Bearer <credential>``, finds the caller and has the policy decide about the method and, where
there is one, the request; handlers find the session in a context variable and need it only to narrow what they answer. What a
connection proved by its client certificate must agree: one whose common name is ``agent:NAME`` carries that agent and nobody
else.

A credential is a bearer's: whoever reads it can use it, on any connection. What protects it is TLS on the way, and mutual TLS
where a stolen credential must not be enough.

Each failed attempt costs the same small amount of work. What might be news from another replica needs a look at the journal, and
only so many failures per address and second may cause one. Who presents a credential that is known is never held back by the
failures of others behind the same address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

import grpc

from ledger.access import policy
from ledger.access.caller import ANONYMOUS, Caller
from ledger.access.policy import Denied
from ledger.access.register import NotAuthenticated, NotKnown, Register, Session
from ledger.journal.errors import JournalError
from ledger.server.guarding import guarded
from ledger.server.selfmetrics import SelfMetrics
from meterbook import logs

#: Failures that one address has at once, and how many more each second.
FAILURES_MAX, FAILURES_PER_S = 30, 1.0
_ADDRESSES_MAX = 10_000
_NO_CREDENTIAL = "this ledger answers only who is known: send 'authorization: Bearer ...' (meterbook takes --token-file or METERBOOK_TOKEN)"

logger = logging.getLogger(__name__)

_session: ContextVar[Session] = ContextVar("session")


def current_session() -> Session:
    """The session of the request that is being handled. Raises LookupError outside of one."""
    return _session.get()


class Attempts:
    """How many failures each address has left; for one event loop."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Count a failure; whether the address had one left."""
        now_s = self._clock_s()
        left, since_s = self._left.pop(address, (float(FAILURES_MAX), now_s))
        left = min(float(FAILURES_MAX), left + (now_s - since_s) * FAILURES_PER_S)
        has_one = left >= 1
        self._left[address] = (left - 1 if has_one else left, now_s)
        if len(self._left) > _ADDRESSES_MAX:
            self._left.popitem(last=False)
        return has_one


class _Refused(Exception):
    def __init__(self, status: grpc.StatusCode, message: str, reason: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Authentication(grpc.aio.ServerInterceptor):
    """Lets in who is known, and what the policy allows them."""

    def __init__(self, register: Register, metrics: SelfMetrics, *, allow_anonymous: bool) -> None:
        self._register, self._metrics, self._allow_anonymous = register, metrics, allow_anonymous
        self._attempts = Attempts()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler behind a door."""
        handler, method = await continuation(handler_call_details), handler_call_details.method
        if handler is None or policy.is_open(method):
            return handler

        async def admit(context: Any, request: Any = None) -> None:
            await self._admit(method, request, context)

        return guarded(handler, admit)

    async def _admit(self, method: str, request: Any, context: Any) -> None:
        try:
            session = await self._find(context)
            _check_certificate(session.caller, context)
            policy.allow(session.caller, method, None if request is None else policy.subject_of(method, request))
        except _Refused as refused:
            self._metrics.access_refusals.labels(refused.reason).inc()
            # Whoever is held back may not fill the log either.
            logger.log(logging.DEBUG if refused.reason == "limited" else logging.INFO, "refused: %s", refused)
            await context.abort(refused.status, str(refused))
        except Denied as denied:
            self._metrics.access_refusals.labels("denied").inc()
            logger.info("refused: %s", denied)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(denied))
        else:
            _session.set(session)
            logs.bind(principal=str(session.caller))

    async def _find(self, context: Any) -> Session:
        presented = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if not presented and self._allow_anonymous:
            return Session(ANONYMOUS)
        asked_s = time.monotonic()
        try:
            return self._register.session(_bearer(presented))
        except NotAuthenticated as error:
            if not self._attempts.take(_address(context.peer())):
                raise _Refused(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "too many failed attempts from this address; try again in a minute",
                    "limited",
                ) from None
            if not isinstance(error, NotKnown):
                raise _unauthenticated(error) from None
        try:
            await asyncio.to_thread(self._register.catch_up, asked_s)
            return self._register.session(_bearer(presented))
        except NotAuthenticated as error:
            raise _unauthenticated(error) from None
        except JournalError as error:
            raise _Refused(
                grpc.StatusCode.UNAVAILABLE, f"credentials cannot be read now: {error}", "unknown"
            ) from error


def _unauthenticated(error: NotAuthenticated) -> _Refused:
    return _Refused(grpc.StatusCode.UNAUTHENTICATED, str(error), "unauthenticated")


def _bearer(presented: list[str | bytes]) -> str:
    if not presented:
        raise NotAuthenticated(_NO_CREDENTIAL)
    if len(presented) > 1:
        raise NotAuthenticated(f"{len(presented)} authorization headers are too many: send one")
    text = presented[0] if isinstance(presented[0], str) else ""
    scheme, _, credential = text.partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated("the authorization header is not of the form 'Bearer <credential>'")
    return credential


def _check_certificate(caller: Caller, context: Any) -> None:
    for name in context.auth_context().get("x509_common_name", ()):
        kind, _, agent = name.decode("utf-8", "replace").partition(":")
        if kind == "agent" and (caller.role not in ("agent", "enrol") or caller.name != agent):
            raise Denied(f"the client certificate is agent {agent[:80]!r}'s, and {caller} is not that agent")


def _address(peer: str) -> str:
    """Whom failures are counted for: an IPv4 address, or the network that one IPv6 host can choose from."""
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return peer
    return host if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
