"""The client's own IAM: an operation that was not declared does not leave this process, whatever the account allows.

It hears every request twice: before it is made, and before it is signed, which is all that a presigned URL goes through. An operation is
let pass by its name. Whatever is not known is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.hooks import HierarchicalEmitter
from botocore.model import ServiceModel

from collector.account.permissions import Operation
from collector.errors import WriteRefused

#: What finding credentials takes, by the names that events have: none of it changes anything.
CREDENTIALS = frozenset(
    {
        ("sts", "AssumeRole"),
        ("sts", "AssumeRoleWithWebIdentity"),
        ("sts", "GetCallerIdentity"),
        ("sso", "GetRoleCredentials"),
    }
)


class Guard:
    """Lets pass what was declared; everything else raises WriteRefused."""

    def __init__(self) -> None:
        self._allowed = set(CREDENTIALS)

    def watch(self, events: HierarchicalEmitter) -> None:
        """Hear every request of the clients that these events are of."""
        events.register_first("before-call", self._judge)
        events.register_first("before-sign", self._judge)

    def allow(self, model: ServiceModel, operations: Iterable[Operation]) -> None:
        """Let pass operations of a service."""
        name = model.service_id.hyphenize()
        self._allowed |= {(name, operation.name) for operation in operations if operation.service == model.service_name}

    def _judge(self, event_name: str, **_: Any) -> None:
        # "before-call.s3.PutObject"
        service, _dot, operation = event_name.partition(".")[2].partition(".")
        if (service, operation) not in self._allowed:
            raise WriteRefused(f"{service} {operation} was not declared, and is not sent")
