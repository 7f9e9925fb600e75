"""One collection of an account and a region: every service listed, and what they show, as series.

A service that cannot be listed stops no other: its resources stay as they were, and the coverage is partial and names what is missing, with
the statement that the policy lacks where it was denied. When each service was listed last is all that the checkpoint holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from collector.account.refusals import translated
from collector.account.session import Account
from collector.aws import tags
from collector.aws.book import Book, Listing
from collector.aws.catalogue import CATALOGUE
from collector.aws.config import AwsConfig, NamedAccount
from collector.aws.grants import grants_of, tagged_types
from collector.aws.inquiry import Bounds, Inquiry, Where
from collector.aws.resources import Resource, Service
from collector.errors import PermanentError, SourceError
from collector.readings import Checkpoint, Coverage, Readings, Status, Window


class InventoryCollector:
    """Reads one account in one region."""

    def __init__(self, config: AwsConfig, named: NamedAccount, account: Account, region: str) -> None:
        """Nothing is asked before the first collection."""
        self._config, self._named, self._account, self._region = config, named, account, region
        self._grants = grants_of(config, named)
        self._types = tagged_types(config)
        self._clients: dict[str, Any] = {}
        self._where: Where | None = None
        self._book: Book | None = None
        self._poll = 0

    @property
    def source(self) -> str:
        """``aws/<account>/<region>``."""
        return f"aws/{self._named.called}/{self._region}"

    @property
    def lease(self) -> str | None:
        """Whoever takes on the role reads the same; without one nobody can say before asking whose account it is."""
        role_arn = self._named.account.role_arn
        return f"{self.source}#{role_arn}" if role_arn is not None else None

    @property
    def catches_up(self) -> bool:
        """Inventories show the present, and little of what is over."""
        return False

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What there is now."""
        try:
            where = self._located()
        except SourceError as error:
            return self._failed(window, checkpoint, {"": error})
        errors: dict[str, SourceError] = {}
        bounds = Bounds(self._config.resources_max, time.monotonic() + self._config.deadline_s)
        found = self._found(where, bounds, errors)
        if not found:
            return self._failed(window, checkpoint, errors)
        self._tag(found, where, bounds, errors)
        before: Mapping[str, int] = checkpoint.get("listed", {})
        listings = {
            name: Listing(resources, before.get(name, window.start_us), name not in before)
            for name, resources in found.items()
        }
        book = self._book_of(where)
        samples, retagged = book.write(listings, window.end_us, stored=checkpoint.get("poll") == self._poll)
        self._poll = int(checkpoint.get("poll", 0)) + 1
        listed = {name: at_us for name, at_us in before.items() if name in self._config.services}
        after = {"poll": self._poll, "listed": {**listed, **dict.fromkeys(found, window.end_us)}}
        coverage = self._coverage(window, "partial" if errors else "complete", errors)
        return Readings((coverage,), book, retagged, samples, checkpoint=after)

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """Nothing is held beyond the last collection."""

    def close(self) -> None:
        """Close the connections."""
        while self._clients:
            self._clients.popitem()[1].close()

    def _located(self) -> Where:
        """Whose account it is; asked once, where no role tells. Raises SourceError."""
        if self._where is None:
            number, partition = self._named.number, self._named.partition
            if number is None or partition is None:
                with translated(self._grants, f"sts in {self._region}"):
                    answer = self._client("sts").get_caller_identity()
                number, partition = answer["Account"], answer["Arn"].split(":")[1]
            self._where = Where(number, partition, self._region)
        return self._where

    def _found(self, where: Where, bounds: Bounds, errors: dict[str, SourceError]) -> dict[str, list[Resource]]:
        found = {}
        for name in self._config.services:
            service = CATALOGUE[name]
            with _kept(errors, name):
                found[name] = self._listed(service, where, bounds)
        return found

    def _listed(self, service: Service, where: Where, bounds: Bounds) -> list[Resource]:
        """All that a service has. Raises SourceError."""
        ask = self._inquiry(service.client, where, bounds)
        try:
            return list(service.resources(ask))
        except KeyError as error:
            raise PermanentError(f"{service.client} in {self._region}: an answer has no {error.args[0]!r}") from error

    def _tag(
        self, found: dict[str, list[Resource]], where: Where, bounds: Bounds, errors: dict[str, SourceError]
    ) -> None:
        """Give tags to the resources whose listings have none. Where they cannot be read, they are not known."""
        untagged = [name for name in found if CATALOGUE[name].tagged_as and found[name]]
        if not untagged:
            return
        with _kept(errors, "tags"):
            known = tags.tags_by_arn(self._inquiry(tags.CLIENT, where, bounds), self._types)
            for name in untagged:
                found[name] = [replace(each, tags=known.get(each.arn, {})) for each in found[name]]

    def _inquiry(self, client: str, where: Where, bounds: Bounds) -> Inquiry:
        # Services have operations of the same name, and a refusal names nothing but the operation.
        grants = [grant for grant in self._grants if any(each.service == client for each in grant.operations)]
        return Inquiry(self._client(client), where, grants, bounds, f"{client} in {self._region}")

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._account.client(service, self._region)
        return self._clients[service]

    def _book_of(self, where: Where) -> Book:
        if self._book is None:
            about = {"account": self._named.called, "account_id": where.account_id, "region": where.region}
            self._book = Book(self.source, about)
        return self._book

    def _failed(self, window: Window, checkpoint: Checkpoint, errors: Mapping[str, SourceError]) -> Readings:
        statuses = {error.status for error in errors.values()}
        status: Status = "throttled" if statuses == {"throttled"} else "failed"
        return Readings((self._coverage(window, status, errors),), checkpoint=checkpoint)

    def _coverage(self, window: Window, status: Status, errors: Mapping[str, SourceError]) -> Coverage:
        # Services of one client often fail for one reason.
        reasons = dict.fromkeys(str(error) for error in errors.values())
        return Coverage(self.source, window.start_us, window.end_us, status, "; ".join(reasons))


@contextmanager
def _kept(errors: dict[str, SourceError], name: str) -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        errors[name] = error
