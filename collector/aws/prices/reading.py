"""Pages of all questions in turn, until there are no more or until the bound on one collection.

What a question cannot be answered for ends that question and no other. Pages that were read stand: the place behind them is kept, so the
next collection reads on there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.aws.prices.asking import Asker, TokenRefused
from collector.aws.prices.config import PricesConfig
from collector.aws.prices.price import Price
from collector.aws.prices.products import item
from collector.aws.prices.progress import Place, Progress
from collector.aws.prices.questions import Question
from collector.aws.prices.spots import spot
from collector.errors import PermanentError, SourceError
from collector.readings import DeadLetter
from meterbook.wire.instants import SECOND_US, text, to_datetime

_RENEWALS_MAX = 2
_DOCUMENT_CHARS_MAX = 4_096


@dataclass
class Found:
    """What one collection has read, and what it has not; ``lost_us`` is since when spot prices are there that had not been read before."""

    prices: list[Price] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    faults: list[SourceError] = field(default_factory=list)
    pages: int = 0
    lost_us: int | None = None


class Reading:
    """One collection."""

    def __init__(self, config: PricesConfig, asker: Asker, progress: Progress) -> None:
        self.found = Found()
        self._config, self._asker, self._progress = config, asker, progress

    def read(self, asked: Sequence[Question]) -> None:
        """Read on; the progress goes on if the bound was reached before the end."""
        failed: set[str] = set()
        places = self._progress.places
        for question in asked:
            try:
                while question.key in places and self.found.pages < self._config.pages_max:
                    self._page(question, places[question.key])
            except SourceError as error:
                self.found.faults.append(error)
                failed.add(question.key)
        self._progress.goes_on = bool(places.keys() - failed)

    def _page(self, question: Question, place: Place) -> None:
        if place.pages >= self._config.question_pages_max:
            del self._progress.places[question.key]
            raise PermanentError(
                f"{self._config.source}: {question.subject} has more pages than question_pages_max {place.pages}"
            )
        try:
            page = self._asker.page(question, _given(question, place))
        except TokenRefused:
            if not place.token or place.renewed >= _RENEWALS_MAX:
                raise
            self._progress.places[question.key] = place.renew()
            return
        self.found.pages += 1
        token = page.get("NextToken") or ""
        if token and token == place.token:
            del self._progress.places[question.key]
            raise PermanentError(f"{self._config.source}: {question.subject}: a page names itself as the next one")
        behind = (
            self._spots(question, place, page, token)
            if question.is_spot
            else self._products(question, place, page, token)
        )
        if behind.token:
            self._progress.places[question.key] = behind
            return
        known = self._progress.known.get(question.key)
        if question.is_spot and known is not None and behind.since_us > known.until_us:
            self.found.lost_us = max(behind.since_us, self.found.lost_us or 0)
        self._progress.known[question.key] = behind.known()
        del self._progress.places[question.key]

    def _products(self, question: Question, place: Place, page: Mapping[str, Any], token: str) -> Place:
        items = []
        for number, document in enumerate(page.get("PriceList", ())):
            try:
                items.append(item(document, question.terms, place.until_us))
            except ValueError as error:
                self._bury(f"{question.subject}/{place.pages}/{number}", f"an item {error}", document)
        due_us = min((each.due_us for each in items if each.due_us is not None), default=None)
        behind = place.read(token, [each.edition for each in items], due_us)
        known = self._progress.known.get(question.key)
        if known is not None and not place.token and behind.is_told(known):
            return Place(place.since_us, place.until_us, editions=behind.editions, due_us=known.due_us)
        self.found.prices += [price for each in items for price in each.prices]
        return behind

    def _spots(self, question: Question, place: Place, page: Mapping[str, Any], token: str) -> Place:
        # What held at the beginning is answered, too, and was told when that was asked for.
        first_us = place.since_us // SECOND_US * SECOND_US if question.key in self._progress.known else 0
        for number, row in enumerate(page.get("SpotPriceHistory", ())):
            try:
                price = spot(row, question.region)
            except ValueError as error:
                document = str({name: str(each) for name, each in row.items()})
                self._bury(
                    f"{question.subject}/{text(place.until_us)}/{place.pages}/{number}", f"a row {error}", document
                )
                continue
            if first_us <= price.time_us <= place.until_us:
                self.found.prices.append(price)
        return place.read(token, (), None)

    def _bury(self, place: str, reason: str, document: str) -> None:
        self.found.letters.append(DeadLetter(self._config.source, place, reason, document[:_DOCUMENT_CHARS_MAX]))


def _given(question: Question, place: Place) -> dict[str, Any]:
    given: dict[str, Any] = {"NextToken": place.token} if place.token else {}
    if question.is_spot:
        # Whole seconds are what is understood; those of the end are the beginning of the next time.
        since_us, until_us = (each // SECOND_US * SECOND_US for each in (place.since_us, place.until_us))
        given |= {"StartTime": to_datetime(since_us), "EndTime": to_datetime(until_us)}
    return given
