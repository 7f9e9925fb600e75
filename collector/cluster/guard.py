"""The client's own RBAC: a request that was not declared does not leave this process, whatever the cluster allows.

A path is read as the API server reads it (``k8s.io/apiserver/pkg/endpoints/request``, RequestInfoFactory): collections
are listed, or watched with ``watch=true``; what has a name is got; ``/api/v1/watch/...`` watches, too. The server
unescapes and cleans paths before it looks at them, and a guard that did that a little differently could be deceived;
so this one takes only paths in which there is nothing to unescape or to clean, and refuses all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from collector.cluster.permissions import DOORS, Permission
from collector.errors import WriteRefused

# No %, no empty segments, none of dots alone, none that begins with one.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._:-]*)+", re.ASCII)
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
#: Headers that turn a GET into a connection on which anything can be said, and those that make a server another user.
_REFUSED_HEADERS = re.compile(r"upgrade|http2-settings|sec-websocket-.*|impersonate-.*|x-http-method-override", re.I)


class Attributes(NamedTuple):
    """What RBAC decides on: ``("list", "apps", "replicasets")``, ``("get", "", "nodes/stats")``."""

    verb: str
    group: str
    resource: str


def attributes(path: str, parameters: Mapping[str, str]) -> Attributes:
    """The attributes of a GET. Raises ValueError for a path that is not plain or names no resource."""
    if not _PLAIN_PATH.fullmatch(path):
        raise ValueError("the path is not plain")
    prefix, *parts = path.removeprefix("/").split("/")
    if prefix not in ("api", "apis") or len(parts) < (2 if prefix == "api" else 3):
        raise ValueError("the path names no resource")
    group, _version, *parts = ("", *parts) if prefix == "api" else parts
    verb = "get"
    if parts[0] in ("watch", "proxy"):
        verb, *parts = parts
        if not parts:
            raise ValueError("the path names no resource")
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
        parts = parts[2:]
    # What stands behind a proxied resource is a path of its own, to the server; to us it is refused either way.
    resource = "/".join([parts[0], *parts[2:3]])
    if verb == "get" and len(parts) == 1:
        watches = "watch" in parameters and parameters["watch"].lower() not in ("false", "0")
        verb = "watch" if watches else "list"
    return Attributes(verb, group, resource)


class Guard:
    """Lets pass what was declared; everything else raises WriteRefused."""

    def __init__(self, permissions: Iterable[Permission]) -> None:
        self._allowed = {
            Attributes(verb, permission.group, permission.resource)
            for permission in permissions
            for verb in permission.verbs
        }

    def check(self, method: str, path: str, parameters: Mapping[str, str], headers: Iterable[str] = ()) -> Attributes:
        """The attributes of a request that may be sent; ``headers`` are the names of its headers.

        Raises WriteRefused for every method but GET, for a request that asks to be more than a request (upgrades,
        impersonation), for the proxy and its like, and for what was not declared.
        """
        if method != "GET":
            raise WriteRefused(f"{method} {path} refused: collectors only read")
        for name in headers:
            if _REFUSED_HEADERS.fullmatch(name):
                raise WriteRefused(f"GET {path} refused: it has the header {name}")
        try:
            asked = attributes(path, parameters)
        except ValueError as error:
            raise WriteRefused(f"GET {path} refused: {error}") from None
        if asked.verb == "proxy" or asked.resource.partition("/")[2] in DOORS:
            raise WriteRefused(f"GET {path} refused: collectors go through no proxy")
        if asked not in self._allowed:
            raise WriteRefused(f"GET {path} refused: {asked.verb} on {described(asked)} was not declared")
        return asked


def described(asked: Attributes) -> str:
    """A resource for people: ``replicasets.apps``, ``nodes/stats``."""
    return f"{asked.resource}.{asked.group}" if asked.group else asked.resource
