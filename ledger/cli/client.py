"""How commands reach a ledger, and what a person is told when that fails.

The options that say who is asking are the same for all commands and none of their business, so they wait in click's context
until a connection is made. The token itself is no option: command lines can be read by everybody on the machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc

from ledger.cli.console import waiting
from meterbook.health import is_loopback, split_address
from meterbook.ledger.v1.access_pb2_grpc import AccessStub
from meterbook.ledger.v1.admin_pb2_grpc import AdminStub
from meterbook.ledger.v1.costing_pb2_grpc import CostingStub
from meterbook.ledger.v1.proof_pb2_grpc import ProofStub
from meterbook.ledger.v1.query_pb2_grpc import QueryStub

Function = TypeVar("Function", bound=Callable[..., None])

TOKEN_VARIABLE = "METERBOOK_TOKEN"  # noqa: S105 - where it is, not what it is

_OPTIONS = [("grpc.max_receive_message_length", 1 << 30)]
_IDENTITY, _TIMEOUT = "meterbook.identity", "meterbook.timeout"

#: What gRPC says of a connection that something listens at, and what the person is told.
_SIGNS = (
    ("WRONG_VERSION_NUMBER", "{ledger} speaks plain text: leave --ca-file out"),
    (
        "Hostname Verification",
        "the certificate of {ledger} is for another name: name the ledger as the certificate does",
    ),
    ("security handshaker", "--ca-file {ca_file}: holds no PEM certificate; give the authority's"),
    (
        "handshake failed",
        "the certificate of {ledger} is not signed by --ca-file {ca_file}: give the authority that signed it",
    ),
    ("Socket closed", "{ledger} does not speak plain text: give --ca-file if it has a certificate"),
    ("HTTP/2", "{ledger} is no ledger's gRPC port: give the one that it listens on"),
)


@dataclass(frozen=True)
class Address:
    """Where a ledger listens; ``ca_file`` makes the connection TLS."""

    target: str
    ca_file: Path | None


@dataclass(frozen=True)
class Identity:
    """Who asks: the file of a token, and a client's certificate with its key."""

    token_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    is_insecure: bool = False

    def token(self) -> str:
        """The token, from the file or else the environment; empty where there is none."""
        if self.token_file is None:
            return os.environ.get(TOKEN_VARIABLE, "").strip()
        return _read(self.token_file, "--token-file").decode("ascii", "replace").strip()


@dataclass(frozen=True)
class Stubs:
    """The services of a ledger."""

    query: QueryStub
    admin: AdminStub
    access: AccessStub
    proof: ProofStub
    costing: CostingStub


def asks_ledger(function: Function) -> Function:
    """Options that every command has which asks a ledger; the command gets ``ledger`` and ``ca_file``."""
    function = click.option(
        "--ledger",
        default="127.0.0.1:9460",
        envvar="METERBOOK_LEDGER",
        show_default=True,
        help="host:port of the ledger.",
    )(function)
    for name, help_text in (
        ("key", "PEM file of that certificate's key."),
        ("cert", "PEM file of a client certificate, where the ledger wants one."),
        ("token", f"File that holds a token; by default the token is taken from {TOKEN_VARIABLE}."),
    ):
        function = click.option(
            f"--{name}-file",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar=f"METERBOOK_{name.upper()}_FILE",
            expose_value=False,
            callback=_remember,
            help=help_text,
        )(function)
    function = click.option(
        "--insecure",
        "is_insecure",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Send the token in plain text even to another machine.",
    )(function)
    function = click.option(
        "--timeout-s",
        type=click.FloatRange(min=0, min_open=True),
        envvar="METERBOOK_TIMEOUT_S",
        expose_value=False,
        callback=_limit,
        help="Seconds after which the command gives up, and the ledger with it; without it the ledger's own limit holds.",
    )(function)
    return click.option(
        "--ca-file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="METERBOOK_CA_FILE",
        help="PEM file of the authority that signed the ledger's certificate; without it the connection is plain text.",
    )(function)


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta.setdefault(_IDENTITY, {})[parameter.name] = value


def _limit(context: click.Context, _: click.Parameter, value: float | None) -> None:
    context.meta[_TIMEOUT] = value


@contextmanager
def connected(ledger: str, ca_file: Path | None, doing: str) -> Iterator[Stubs]:
    """The services of a ledger; errors end the command with one sentence. ``doing`` is shown when it takes long."""
    said = click.get_current_context().meta
    address, identity = Address(ledger, ca_file), Identity(**said.get(_IDENTITY, {}))
    timeout_s: float | None = said.get(_TIMEOUT)
    with waiting(doing), _channel(address, identity) as plain:
        channel = _bearing(plain, address, identity)
        if timeout_s is not None:
            channel = grpc.intercept_channel(channel, _Deadline(timeout_s))
        try:
            yield Stubs(
                QueryStub(channel), AdminStub(channel), AccessStub(channel), ProofStub(channel), CostingStub(channel)
            )
        except grpc.RpcError as error:
            raise click.ClickException(_sentence(error, address, timeout_s)) from error


def _channel(address: Address, identity: Identity) -> grpc.Channel:
    if (identity.cert_file is None) != (identity.key_file is None):
        raise click.UsageError("--cert-file and --key-file go together: give both")
    if address.ca_file is None:
        if identity.cert_file is not None:
            raise click.UsageError("--cert-file without --ca-file: plain text has no certificates")
        return grpc.insecure_channel(address.target, _OPTIONS)
    authority = _read(address.ca_file, "--ca-file")
    chain = key = None
    if identity.cert_file is not None and identity.key_file is not None:
        chain, key = _read(identity.cert_file, "--cert-file"), _read(identity.key_file, "--key-file")
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(authority, key, chain), _OPTIONS)


def _bearing(channel: grpc.Channel, address: Address, identity: Identity) -> grpc.Channel:
    """The channel with the token on every call."""
    token = identity.token()
    if not token:
        return channel
    if not token.isascii() or not token.isprintable():
        raise click.ClickException("the token holds characters that no token has: give the one line that was issued")
    if address.ca_file is None and not identity.is_insecure and not _is_here(address.target):
        raise click.ClickException(
            f"the token would travel to {address.target} in plain text: give --ca-file, or say --insecure"
        )
    return grpc.intercept_channel(channel, _Bearer(token))


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


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{option} {path}: cannot be read ({error.strerror})") from error


def _is_here(target: str) -> bool:
    """Whether an address is on this machine."""
    try:
        return is_loopback(split_address(target)[0])
    except ValueError:
        return False


def _sentence(error: grpc.RpcError, address: Address, timeout_s: float | None) -> str:
    code = getattr(error, "code", lambda: None)()
    details = getattr(error, "details", lambda: "")() or str(error)
    ledger = address.target
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"{ledger} is no ledger, or one of another version"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and details == "Deadline Exceeded":
        return f"{ledger} gave no answer within --timeout-s {timeout_s:g}: give it more time, or ask for less"
    if "Failed to create channel" in details:
        return f"--ledger {ledger!r} is not host:port, such as 127.0.0.1:9460"
    # These texts are gRPC's own; what a ledger says is passed on as it is.
    if not details.startswith(("failed to connect", "errors resolving", "DNS resolution failed")):
        return details
    if "Socket closed" in details and address.ca_file is not None:
        return f"{ledger} ended the connection: give a client certificate that it accepts by --cert-file and --key-file"
    for sign, sentence in _SIGNS:
        if sign in details:
            return sentence.format(ledger=ledger, ca_file=address.ca_file)
    return f"no ledger answers at {ledger}: start one with 'meterbook ledger serve' or name another with --ledger"
