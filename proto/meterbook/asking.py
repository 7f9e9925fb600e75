"""Which ledger is asked, and who asks: the options of every command that asks one, on the agent's side and on the ledger's.

The two sides may not import each other, so what a person tells both of them stands here. It is the same for all commands and none
of their business, so it waits in click's context until a connection is made: :func:`asks` adds the options, :func:`asker` gives what
was said. The token itself is no option: command lines can be read by everybody on the machine. A connection is plain text without
``--ca-file``, and no token travels in plain text to another machine unless that is wanted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from meterbook.health import is_loopback, split_address

Function = TypeVar("Function", bound=Callable[..., None])

TOKEN_VARIABLE = "METERBOOK_TOKEN"  # noqa: S105 - where it is, not what it is

_SAID = "meterbook.asking"


class Certificates(NamedTuple):
    """What TLS needs, in PEM; a client's certificate and its key are both there or neither."""

    authority: bytes
    certificate: bytes | None
    key: bytes | None


@dataclass(frozen=True)
class Asker:
    """Which ledger is asked, as host:port, and what is shown to it."""

    ledger: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    token_file: Path | None = None
    is_insecure: bool = False
    #: The name that the ledger's certificate must be for, where it is not that of the address.
    server_name: str | None = None

    def certificates(self) -> Certificates | None:
        """What is in the files; None for plain text. Raises UsageError where one lacks another, ClickException where one cannot be read."""
        if (self.cert_file is None) != (self.key_file is None):
            raise click.UsageError("--cert-file and --key-file go together: give both")
        if self.ca_file is None:
            for option, given in (("--cert-file", self.cert_file), ("--server-name", self.server_name)):
                if given is not None:
                    raise click.UsageError(f"{option} without --ca-file: plain text has no certificates")
            return None
        authority, certificate, key = _read(self.ca_file, "--ca-file"), None, None
        if self.cert_file is not None and self.key_file is not None:
            certificate, key = _read(self.cert_file, "--cert-file"), _read(self.key_file, "--key-file")
        return Certificates(authority, certificate, key)

    def token(self) -> str:
        """The token, from the file or else the environment; empty where there is none. Raises ClickException where it must not be sent."""
        if self.token_file is None:
            token = os.environ.get(TOKEN_VARIABLE, "").strip()
        else:
            token = _read(self.token_file, "--token-file").decode("ascii", "replace").strip()
        if token and not (token.isascii() and token.isprintable()):
            raise click.ClickException(
                "the token holds characters that no token has: give the one line that was issued"
            )
        if token and self.ca_file is None and not self.is_insecure and not is_here(self.ledger):
            raise click.ClickException(
                f"the token would travel to {self.ledger} in plain text: give --ca-file, or say --insecure"
            )
        return token


def asks(function: Function) -> Function:
    """The options; the command gets none of them and calls :func:`asker`."""
    function = click.option(
        "--insecure",
        "is_insecure",
        is_flag=True,
        expose_value=False,
        callback=_remember,
        help="Send the token in plain text even to another machine.",
    )(function)
    function = click.option(
        "--server-name",
        envvar="METERBOOK_SERVER_NAME",
        metavar="NAME",
        expose_value=False,
        callback=_remember,
        help="Name in the ledger's certificate, where the ledger is reached by another: through a port-forward, say.",
    )(function)
    for name, help_text in (
        ("key", "PEM file of that certificate's key."),
        ("cert", "PEM file of a client certificate, where the ledger wants one."),
        ("token", f"File that holds a token; by default the token is taken from {TOKEN_VARIABLE}."),
        (
            "ca",
            "PEM file of the authority that signed the ledger's certificate; without it the connection is plain text.",
        ),
    ):
        function = click.option(
            f"--{name}-file",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar=f"METERBOOK_{name.upper()}_FILE",
            expose_value=False,
            callback=_remember,
            help=help_text,
        )(function)
    return click.option(
        "--ledger",
        default="127.0.0.1:9460",
        envvar="METERBOOK_LEDGER",
        show_default=True,
        expose_value=False,
        callback=_remember,
        help="host:port of the ledger.",
    )(function)


def asker() -> Asker:
    """Who asks by the command that is running, which has the options of :func:`asks`."""
    return Asker(**click.get_current_context().meta[_SAID])


def is_here(target: str) -> bool:
    """Whether an address, host:port, is on this machine; what is no address is not."""
    try:
        return is_loopback(split_address(target)[0])
    except ValueError:
        return False


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    # A group and its commands have one memory, and what is said to the command counts.
    context.meta.setdefault(_SAID, {})[parameter.name] = value


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{option} {path}: cannot be read ({error.strerror})") from error
