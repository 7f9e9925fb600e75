"""How commands reach a ledger, and what a person is told when that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import grpc

from ledger.cli.console import waiting
from meterbook.ledger.v1.admin_pb2_grpc import AdminStub
from meterbook.ledger.v1.query_pb2_grpc import QueryStub

Function = TypeVar("Function", bound=Callable[..., None])

_OPTIONS = [("grpc.max_receive_message_length", 1 << 30)]

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
class Stubs:
    """The services of a ledger."""

    query: QueryStub
    admin: AdminStub


def asks_ledger(function: Function) -> Function:
    """Options that every command has which asks a ledger; the command gets ``ledger`` and ``ca_file``."""
    function = click.option(
        "--ledger",
        default="127.0.0.1:9460",
        envvar="METERBOOK_LEDGER",
        show_default=True,
        help="host:port of the ledger.",
    )(function)
    return click.option(
        "--ca-file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="METERBOOK_CA_FILE",
        help="PEM file of the authority that signed the ledger's certificate; without it the connection is plain text.",
    )(function)


@contextmanager
def connected(ledger: str, ca_file: Path | None, doing: str) -> Iterator[Stubs]:
    """The services of a ledger; errors end the command with one sentence. ``doing`` is shown when it takes long."""
    address = Address(ledger, ca_file)
    with waiting(doing), _channel(address) as channel:
        try:
            yield Stubs(QueryStub(channel), AdminStub(channel))
        except grpc.RpcError as error:
            raise click.ClickException(_sentence(error, address)) from error


def _channel(address: Address) -> grpc.Channel:
    if address.ca_file is None:
        return grpc.insecure_channel(address.target, _OPTIONS)
    try:
        authority = address.ca_file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"--ca-file {address.ca_file}: cannot be read ({error.strerror})") from error
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(authority), _OPTIONS)


def _sentence(error: grpc.RpcError, address: Address) -> str:
    code = getattr(error, "code", lambda: None)()
    details = getattr(error, "details", lambda: "")() or str(error)
    ledger = address.target
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"{ledger} is no ledger, or one of another version"
    if "Failed to create channel" in details:
        return f"--ledger {ledger!r} is not host:port, such as 127.0.0.1:9460"
    # These texts are gRPC's own; what a ledger says is passed on as it is.
    if not details.startswith(("failed to connect", "errors resolving", "DNS resolution failed")):
        return details
    for sign, sentence in _SIGNS:
        if sign in details:
            return sentence.format(ledger=ledger, ca_file=address.ca_file)
    return f"no ledger answers at {ledger}: start one with 'meterbook ledger serve' or name another with --ledger"
