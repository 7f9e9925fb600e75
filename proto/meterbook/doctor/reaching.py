"""The way to a server, layer by layer: its name, its port, its certificate. The first layer that fails is the one to mend.

gRPC says of all of these that it failed to connect; here each has a sentence of its own.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meterbook.doctor import certificates
from meterbook.doctor.findings import PATIENCE_S, Finding, failure, ok


@dataclass(frozen=True)
class Trust:
    """What TLS to a server takes: the authorities that may vouch for it (the system's if None), and a certificate of one's own."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    #: The name that the certificate must be for, where it is not that of the address.
    server_name: str | None = None


def reached(host: str, port: int, trust: Trust | None) -> Iterator[Finding]:
    """The port, and TLS on it where there is ``trust``; the last finding is a failure where one was."""
    try:
        connection = socket.create_connection((host, port), timeout=PATIENCE_S)
    except socket.gaierror as error:
        advice = "look at the name and at this machine's name servers"
        yield failure("reachability", f"{host} is not found: {error.strerror}", advice)
        return
    except OSError as error:
        reason = error.strerror or "no answer in time"
        advice = "start what should listen there, or look at the address, firewalls and network policies between"
        yield failure("reachability", f"{host}:{port} takes no connection: {reason}", advice)
        return
    with connection:
        yield ok("reachability", f"{host}:{port} takes connections")
        if trust is not None:
            yield from _shaken_hands(connection, host, port, trust)


def _shaken_hands(connection: socket.socket, host: str, port: int, trust: Trust) -> Iterator[Finding]:
    place, name = f"{host}:{port}", trust.server_name or host
    try:
        context = ssl.create_default_context(cafile=trust.ca_file)
        if trust.cert_file is not None:
            context.load_cert_chain(trust.cert_file, trust.key_file)
    except OSError as error:
        told = f"the files for TLS cannot be used: {error.strerror or type(error).__name__}"
        yield failure("certificates", told, "mend what the findings above say of them")
        return
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(connection, server_hostname=name) as secured:
            shown = secured.getpeercert(binary_form=True)
            assert shown is not None
            yield ok("certificates", f"{place} shows a certificate that is trusted here and names {name}")
            yield certificates.issuer(shown, place)
            if secured.selected_alpn_protocol() != "h2":
                advice = "name the port that gRPC is served on, or let what stands between pass HTTP/2"
                yield failure("reachability", f"{place} does not speak HTTP/2", advice)
    except ssl.SSLCertVerificationError as error:
        yield failure("certificates", f"the certificate of {place} is refused: {error.verify_message}", _advice(error))
    except TimeoutError:
        yield silent(place)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        advice = "see whether that port speaks TLS at all, and whether something stands between that does not"
        yield failure("reachability", f"{place} does not speak TLS: {reason}", advice)


def silent(place: str) -> Finding:
    """Something listens, and says nothing."""
    told = f"something listens at {place}, and does not answer within {PATIENCE_S:g} s: it hangs, or is busy"
    advice = "see the log of what runs there, and restart it if that stays so; or look at what stands between"
    return failure("reachability", told, advice)


def _advice(error: ssl.SSLCertVerificationError) -> str:
    told = error.verify_message
    if "expired" in told:
        return "renew the server's certificate, or look at this machine's clock"
    if "match" in told:
        return "name the server as its certificate does, or give it one that names this address"
    return "give the authority that signed the server's certificate as ca_file"
