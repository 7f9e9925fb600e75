"""A connection to the ledger: encrypted unless the configuration says otherwise, with certificates as they are at that moment."""

from __future__ import annotations

from pathlib import Path

import grpc

from agent.config import LedgerConfig
from agent.errors import StartError

_MESSAGE_BYTES_MAX = 64 << 20
_OPTIONS = [
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    # Above the 5 minutes below which a gRPC server counts pings as abuse, below the idle limits of load balancers.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Each try is a connection of its own: gRPC's shared back-off would only hide ours.
    ("grpc.use_local_subchannel_pool", 1),
]


def channel(config: LedgerConfig) -> grpc.Channel:
    """A channel that connects when it is first used. Raises StartError where a certificate's file cannot be read."""
    if config.plaintext:
        return grpc.insecure_channel(config.endpoint, options=_OPTIONS)
    tls = config.tls
    credentials = grpc.ssl_channel_credentials(
        _file(tls.ca_file, "ca_file"), _file(tls.key_file, "key_file"), _file(tls.cert_file, "cert_file")
    )
    named = [] if tls.server_name is None else [("grpc.ssl_target_name_override", tls.server_name)]
    return grpc.secure_channel(config.endpoint, credentials, options=[*_OPTIONS, *named])


def bearer(credential: str) -> tuple[tuple[str, str], ...]:
    """What tells the ledger who calls."""
    return (("authorization", f"Bearer {credential}"),)


def _file(path: Path | None, name: str) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise StartError(f"ledger.tls.{name} {path} cannot be read: {error.strerror or error}") from error
