"""A target: the address to scrape, and the names that series and coverage carry.

The source of a target is ``prometheus/<job>/<host:port>``, with the path where it is not ``/metrics``. The scheme is
no part of it: moving a target to TLS does not make it another source. Nor are credentials, which a target cannot
have: an address ends up in labels, logs and invoices.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from socket import inet_aton
from urllib.parse import urlsplit

import httpx

_PORTS = {"http": 80, "https": 443}
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True)
class Target:
    """One page of metrics. ``instance`` is ``host:port``; ``labels`` are put on all its series, ``params`` on its query."""

    url: str
    instance: str
    path: str
    source: str
    labels: tuple[tuple[str, str], ...] = ()
    params: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """Where a person finds it again: ``127.0.0.1:8000/metrics``."""
        return self.instance + self.path

    @property
    def is_local(self) -> bool:
        """Whether the address is the reader's own machine, or means another one on every network."""
        host = (urlsplit(self.url).hostname or "").rstrip(".")
        try:
            # In all the ways in which an address may be written: 127.1 is one.
            address = ip_address(host) if ":" in host else ip_address(inet_aton(host))
        except (ValueError, OSError):
            return host in _LOCAL_NAMES or host.endswith(".localhost")
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or address.is_unspecified or address.is_link_local


def parse_target(text: str, *, job: str, scheme: str, path: str) -> Target:
    """A target from ``host``, ``host:port`` or a URL; what the text leaves out comes from ``scheme`` and ``path``.

    Raises ValueError where the text is no address, or has credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        port = parts.port
        httpx.URL(parts.geturl())
    except (ValueError, httpx.InvalidURL) as error:
        raise ValueError(f"target {_shown(text)!r} is not host:port or a URL ({error})") from None
    if parts.scheme not in _PORTS or not parts.hostname or any(mark.isspace() for mark in text):
        raise ValueError(f"target {_shown(text)!r} is not host:port or a URL, such as 127.0.0.1:8000")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"target {_shown(text)!r} has credentials, a query or a fragment: use their own settings")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    instance = f"{host}:{port if port is not None else _PORTS[parts.scheme]}"
    page = parts.path if parts.path not in ("", "/") else path
    source = f"prometheus/{job}/{instance}" + ("" if page == "/metrics" else page)
    return Target(f"{parts.scheme}://{instance}{page}", instance, page, source)


def _shown(text: str) -> str:
    """The text without what stands before an @: it may be a password."""
    return text.rpartition("@")[2]
