"""What a collector asks of AWS, declared: single operations, each with the IAM action that grants it and on what.

Operations are listed one by one. The beginning of a name says nothing: in AWS's own table ``logs:StartQuery`` reads and ``kms:Decrypt``
writes. That each action listed anywhere here has the access level Read or List is tested against that table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ACTION = re.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+")


@dataclass(frozen=True, order=True)
class Operation:
    """An operation of a service as boto3 names both (``s3``, ``ListObjectsV2``), and the IAM action behind it (``s3:ListBucket``).

    Raises ValueError for an action that is not a single one.
    """

    service: str
    name: str
    action: str

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(self.action):
            raise ValueError(f"{self.service} {self.name}: {self.action!r} is not one IAM action such as s3:ListBucket")


@dataclass(frozen=True, order=True)
class Grant:
    """Operations on some resources; ``conditions`` are those of an IAM statement as (operator, key, values)."""

    operations: tuple[Operation, ...]
    resources: tuple[str, ...] = ("*",)
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        """Its IAM actions, sorted."""
        return tuple(sorted({operation.action for operation in self.operations}))

    def statement(self) -> dict[str, object]:
        """As a statement of an IAM policy (IAM user guide, "Grammar of the IAM JSON policy language")."""
        found: dict[str, object] = {"Effect": "Allow", "Action": list(self.actions), "Resource": list(self.resources)}
        if self.conditions:
            found["Condition"] = {operator: {key: list(values)} for operator, key, values in self.conditions}
        return found


def statement_for(grants: Iterable[Grant], operation: str) -> dict[str, object] | None:
    """The statement that grants an operation, of those that were declared; with its action alone."""
    for grant in grants:
        for each in grant.operations:
            if each.name == operation:
                return Grant((each,), grant.resources, grant.conditions).statement()
    return None
