"""Which ledger, and who asks: the options of the commands that ask one, and a connection made of them.

As for those, the token is no option, a connection is plain text without ``--ca-file``, and no token travels in plain text to another machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
from pydantic import ValidationError

from agent.config import LedgerConfig, TlsConfig
from agent.importing.errors import ImportFault
from meterbook.health import is_loopback, split_address

Function = TypeVar("Function", bound=Callable[..., None])
TOKEN_VARIABLE = "METERBOOK_TOKEN"  # noqa: S105 - where it is, not what it is


@dataclass(frozen=True)
class Address:
    """Where a ledger listens, and what is shown to it."""

    ledger: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    token_file: Path | None = None
    is_insecure: bool = False

    def config(self) -> LedgerConfig:
        """The connection, as agents have it. Raises ImportFault where an option is wrong."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ImportFault("--cert-file and --key-file go together: give both")
        if self.cert_file is not None and self.ca_file is None:
            raise ImportFault("--cert-file without --ca-file: plain text has no certificates")
        for option, path in (
            ("--ca-file", self.ca_file),
            ("--cert-file", self.cert_file),
            ("--key-file", self.key_file),
        ):
            if path is not None:
                _read(path, option)
        tls = TlsConfig(
            ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file, insecure=self.ca_file is None
        )
        try:
            return LedgerConfig(endpoint=self.ledger, tls=tls)
        except ValidationError as error:
            raise ImportFault(f"--ledger {self.ledger!r} is not host:port, such as 127.0.0.1:9460") from error

    def token(self) -> str:
        """The token, from the file or else the environment; empty where there is none. Raises ImportFault."""
        if self.token_file is None:
            token = os.environ.get(TOKEN_VARIABLE, "").strip()
        else:
            token = _read(self.token_file, "--token-file").decode("ascii", "replace").strip()
        if token and not (token.isascii() and token.isprintable()):
            raise ImportFault("the token holds characters that no token has: give the one line that was issued")
        if token and self.ca_file is None and not self.is_insecure and not _is_here(self.ledger):
            raise ImportFault(
                f"the token would travel to {self.ledger} in plain text: give --ca-file, or say --insecure"
            )
        return token


def asks_ledger(function: Function) -> Function:
    """The options of an address; the command gets ``ledger``, ``ca_file``, ``cert_file``, ``key_file``, ``token_file``, ``is_insecure``."""
    function = click.option(
        "--insecure", "is_insecure", is_flag=True, help="Send the token in plain text even to another machine."
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
            help=help_text,
        )(function)
    return click.option(
        "--ledger",
        default="127.0.0.1:9460",
        envvar="METERBOOK_LEDGER",
        show_default=True,
        help="host:port of the ledger.",
    )(function)


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImportFault(f"{option} {path}: cannot be read ({error.strerror})") from error


def _is_here(target: str) -> bool:
    try:
        return is_loopback(split_address(target)[0])
    except ValueError:
        return False
