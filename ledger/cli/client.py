"""How commands reach a ledger, and what a person is told when that fails.

How long an answer may take waits in click's context until a connection is made, as what the options of ``meterbook.asking`` say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import grpc

from ledger.cli.console import waiting
from meterbook.asking import Asker, asker, asks
from meterbook.ledger.v1.access_pb2_grpc import AccessStub
from meterbook.ledger.v1.admin_pb2_grpc import AdminStub
from meterbook.ledger.v1.costing_pb2_grpc import CostingStub
from meterbook.ledger.v1.entitlement_pb2_grpc import EntitlementsStub
from meterbook.ledger.v1.invoicing_pb2_grpc import InvoicingStub
from meterbook.ledger.v1.planning_pb2_grpc import PlanningStub
from meterbook.ledger.v1.proof_pb2_grpc import ProofStub
from meterbook.ledger.v1.query_pb2_grpc import QueryStub

Function = TypeVar("Function", bound=Callable[..., None])

_OPTIONS = [("grpc.max_receive_message_length", 1 << 30)]
_TIMEOUT = "meterbook.timeout"

#: What gRPC says of a connection that something listens at, and what the person is told.
_SIGNS = (
    ("WRONG_VERSION_NUMBER", "{ledger} speaks plain text: leave --ca-file out"),
    (
        "Hostname Verification",
        "the certificate of {ledger} is for another name: name the ledger as the certificate does, or give that name by --server-name",
    ),
    (
        "certificate has expired",
        "the certificate of {ledger}, or its authority's, has ended: have it renewed, or look at this machine's clock",
    ),
    (
        "certificate is not yet valid",
        "the certificate of {ledger}, or its authority's, is not valid yet: look at this machine's clock, or wait",
    ),
    ("security handshaker", "--ca-file {ca_file}: holds no PEM certificate; give the authority's"),
    (
        "handshake failed",
        "the certificate of {ledger} is not signed by --ca-file {ca_file}: give the authority that signed it",
    ),
    ("Socket closed", "{ledger} does not speak plain text: give --ca-file if it has a certificate"),
    ("HTTP/2", "{ledger} is no ledger's gRPC port: give the one that it listens on"),
)

#: How gRPC begins when an answer was under way: the ledger ended, or what lies between did.
_BROKEN = ("Stream removed", "Socket closed", "recvmsg:", "sendmsg:", "Connection reset", "Broken pipe")


@dataclass(frozen=True)
class Stubs:
    """The services of a ledger."""

    query: QueryStub
    admin: AdminStub
    access: AccessStub
    proof: ProofStub
    costing: CostingStub
    invoicing: InvoicingStub
    entitlements: EntitlementsStub
    planning: PlanningStub


def asks_ledger(function: Function) -> Function:
    """Options that every command has which asks a ledger; the command gets none of them and calls :func:`connected`."""
    return asks(
        click.option(
            "--timeout-s",
            type=click.FloatRange(min=0, min_open=True),
            envvar="METERBOOK_TIMEOUT_S",
            expose_value=False,
            callback=_limit,
            help="Seconds after which the command gives up, and the ledger with it; without it the ledger's own limit holds.",
        )(function)
    )


def _limit(context: click.Context, _: click.Parameter, value: float | None) -> None:
    context.meta[_TIMEOUT] = value


@contextmanager
def connected(doing: str) -> Iterator[Stubs]:
    """The services of the ledger; errors end the command with one sentence. ``doing`` is shown when it takes long."""
    asking = asker()
    timeout_s: float | None = click.get_current_context().meta[_TIMEOUT]
    with waiting(doing), _channel(asking) as plain:
        channel = _bearing(plain, asking)
        if timeout_s is not None:
            channel = grpc.intercept_channel(channel, _Deadline(timeout_s))
        try:
            yield Stubs(
                QueryStub(channel),
                AdminStub(channel),
                AccessStub(channel),
                ProofStub(channel),
                CostingStub(channel),
                InvoicingStub(channel),
                EntitlementsStub(channel),
                PlanningStub(channel),
            )
        except grpc.RpcError as error:
            raise click.ClickException(_sentence(error, asking, timeout_s)) from error


def _channel(asking: Asker) -> grpc.Channel:
    found = asking.certificates()
    if found is None:
        return grpc.insecure_channel(asking.ledger, _OPTIONS)
    credentials = grpc.ssl_channel_credentials(found.authority, found.key, found.certificate)
    named = [] if asking.server_name is None else [("grpc.ssl_target_name_override", asking.server_name)]
    return grpc.secure_channel(asking.ledger, credentials, [*_OPTIONS, *named])


def _bearing(channel: grpc.Channel, asking: Asker) -> grpc.Channel:
    """The channel with the token on every call."""
    token = asking.token()
    return grpc.intercept_channel(channel, _Bearer(token)) if token else channel


class _Detailing(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Makes every call with details of its own."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._detailed(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._detailed(client_call_details), request)

    def _detailed(self, details: Any) -> Any:
        raise NotImplementedError


class _Bearer(_Detailing):
    """Adds the authorization header."""

    def __init__(self, token: str) -> None:
        self._metadata = ("authorization", f"Bearer {token}")

    def _detailed(self, details: Any) -> Any:
        return details._replace(metadata=[*(details.metadata or ()), self._metadata])


class _Deadline(_Detailing):
    """Gives all calls together so much time."""

    def __init__(self, timeout_s: float) -> None:
        self._ends_s = time.monotonic() + timeout_s

    def _detailed(self, details: Any) -> Any:
        return details._replace(timeout=max(0.0, self._ends_s - time.monotonic()))


def _sentence(error: grpc.RpcError, asking: Asker, timeout_s: float | None) -> str:
    code = getattr(error, "code", lambda: None)()
    details = getattr(error, "details", lambda: "")() or str(error)
    ledger = asking.ledger
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"{ledger} is no ledger, or one of another version"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and details == "Deadline Exceeded":
        return f"{ledger} gave no answer within --timeout-s {timeout_s:g}: give it more time, or ask for less"
    if "Failed to create channel" in details:
        return f"--ledger {ledger!r} is not host:port, such as 127.0.0.1:9460"
    if details.startswith(_BROKEN):
        return f"the connection to {ledger} broke before the answer: ask again"
    # These texts are gRPC's own; what a ledger says is passed on as it is.
    if not details.startswith(("failed to connect", "errors resolving", "DNS resolution failed")):
        return details
    if "Socket closed" in details and asking.ca_file is not None:
        return f"{ledger} ended the connection: give a client certificate that it accepts by --cert-file and --key-file"
    for sign, sentence in _SIGNS:
        if sign in details:
            return sentence.format(ledger=ledger, ca_file=asking.ca_file)
    return f"no ledger answers at {ledger}: start one with 'meterbook ledger serve' or name another with --ledger"
