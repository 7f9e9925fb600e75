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
    with waiting(doing), _channel(Address(ledger, ca_file)) as channel:
        try:
            yield Stubs(QueryStub(channel), AdminStub(channel))
        except grpc.RpcError as error:
            raise click.ClickException(_sentence(error, ledger)) from error


def _channel(address: Address) -> grpc.Channel:
    if address.ca_file is None:
        return grpc.insecure_channel(address.target, _OPTIONS)
    try:
        authority = address.ca_file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"--ca-file {address.ca_file}: cannot be read ({error.strerror})") from error
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(authority), _OPTIONS)


def _sentence(error: grpc.RpcError, ledger: str) -> str:
    code = getattr(error, "code", lambda: None)()
    details = getattr(error, "details", lambda: "")() or str(error)
    unreached = code is grpc.StatusCode.UNAVAILABLE and ("connect" in details.lower() or "resol" in details.lower())
    if unreached:
        return f"no ledger answers at {ledger}: start one with 'meterbook ledger serve' or name another with --ledger"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"{ledger} is no ledger, or one of another version"
    return details
