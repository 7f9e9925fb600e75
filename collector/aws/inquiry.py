"""Asking one service of one region: page after page, within bounds, and refusals in our own words.

The answer to a listing is whole or it is none: half of it would look as if the rest were gone. So whatever is too much or too late raises.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from collector.account.permissions import Grant
from collector.account.refusals import translated
from collector.errors import PermanentError, TransientError


@dataclass(frozen=True)
class Where:
    """An account's twelve digits, the partition that it is in, and a region."""

    account_id: str
    partition: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of a service that does not tell it."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"


@dataclass(frozen=True)
class Bounds:
    """How much of one service is read, and until when on the monotonic clock."""

    resources_max: int
    ends_at_s: float


class Inquiry:
    """Asks one service. Whatever it raises is a SourceError."""

    def __init__(self, client: Any, where: Where, grants: Sequence[Grant], bounds: Bounds, place: str) -> None:
        """``place`` is how an error names what was asked: ``dynamodb in eu-central-1``."""
        self.where = where
        self._client, self._grants, self._bounds, self._place = client, grants, bounds, place

    def each(self, operation: str, key: str, page_size: int | None = None, **given: Any) -> Iterator[Any]:
        """What a paged operation (``describe_volumes``) lists as ``key``, item after item."""
        count = 0
        with translated(self._grants, self._place):
            paging = {"PageSize": page_size} if page_size is not None else {}
            pages = iter(self._client.get_paginator(operation).paginate(PaginationConfig=paging, **given))
            while True:
                self._check_time()
                page = next(pages, None)
                if page is None:
                    return
                count += len(page.get(key, ()))
                if count > self._bounds.resources_max:
                    raise PermanentError(
                        f"{self._place}: {operation} lists more than resources_max {self._bounds.resources_max}"
                    )
                yield from page.get(key, ())

    def one(self, operation: str, gone: str | None = None, **given: Any) -> dict[str, Any] | None:
        """The answer to an operation; None where it is the exception called ``gone``: what was listed is not there any more."""
        self._check_time()
        absent = getattr(self._client.exceptions, gone) if gone is not None else ()
        with translated(self._grants, self._place):
            try:
                found: dict[str, Any] = getattr(self._client, operation)(**given)
            except absent:
                return None
            return found

    def _check_time(self) -> None:
        if time.monotonic() > self._bounds.ends_at_s:
            raise TransientError(f"{self._place}: not everything was read within the time that a collection has")
