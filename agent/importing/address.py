"""The connection of an import, as agents have it: made of what its options say of a ledger and of who asks."""

from __future__ import annotations

import click
from pydantic import ValidationError

from agent.config import LedgerConfig, TlsConfig
from agent.importing.errors import ImportFault
from meterbook.asking import Asker


def connection(asker: Asker) -> LedgerConfig:
    """The connection that somebody wants. Raises ImportFault where an option is wrong."""
    try:
        # Agents read the files by themselves, and tell of them as what a configuration names.
        asker.certificates()
    except click.ClickException as error:
        raise ImportFault(error.message) from error
    tls = TlsConfig(
        ca_file=asker.ca_file,
        cert_file=asker.cert_file,
        key_file=asker.key_file,
        server_name=asker.server_name,
        insecure=asker.ca_file is None,
    )
    try:
        return LedgerConfig(endpoint=asker.ledger, tls=tls)
    except ValidationError as error:
        raise ImportFault(f"--ledger {asker.ledger!r} is not host:port, such as 127.0.0.1:9460") from error
