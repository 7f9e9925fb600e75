"""One collection: begins all questions, or goes on with those whose pages were too many for one, and tells the prices.

The checkpoint is behind exactly what was told, so a collection that could not be stored is repeated from the same pages. A price that is
told twice all the same, for pages shift while they are read, is one event in the book.
"""

from __future__ import annotations

import hashlib

from collector.account.session import Account
from collector.aws.prices.asking import Asker
from collector.aws.prices.config import PricesConfig
from collector.aws.prices.coverage import Reach, reasons, records
from collector.aws.prices.price import Price, events
from collector.aws.prices.progress import Progress
from collector.aws.prices.questions import questions
from collector.aws.prices.reading import Reading
from collector.readings import Checkpoint, Coverage, Readings, Window


class PricesCollector:
    """Reads prices of some regions."""

    def __init__(self, config: PricesConfig, account: Account | None = None) -> None:
        """Nothing is asked yet. Without ``account`` one is opened as configured."""
        self._config = config
        self._asker = Asker(config, account)
        self._questions = tuple(questions(config))
        self._keys = frozenset(question.key for question in self._questions)

    @property
    def source(self) -> str:
        """``aws_prices/<name>``."""
        return self._config.source

    @property
    def catches_up(self) -> bool:
        """The list is whole at any time, and the history is there for long."""
        return True

    @property
    def lease(self) -> str:
        """One reader is enough."""
        return f"{self.source}#{hashlib.sha256(' '.join(sorted(self._keys)).encode()).hexdigest()[:16]}"

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """The prices that came since ``checkpoint``."""
        checkpoint = {"since_us": window.start_us, **checkpoint}
        progress = Progress.of(checkpoint, self._keys)
        before_us = min(checkpoint["since_us"], window.start_us)
        if not progress.goes_on:
            for question in self._questions:
                progress.begin(self._config, question, before_us, window.end_us)
        reading = Reading(self._config, self._asker, progress)
        reading.read(self._questions)
        found = reading.found
        if found.faults and not found.pages:
            failed = Coverage(
                self.source, window.start_us, window.end_us, found.faults[-1].status, reasons(found.faults)
            )
            # What cannot be gone on with holds up what is due anew.
            kept = {**checkpoint, "goes_on": False} if checkpoint.get("goes_on") else checkpoint
            return Readings((failed,), checkpoint=kept)
        after_us = min(max(before_us, progress.until_us(self._keys, before_us)), window.end_us)
        lost_us = max((each for each in (found.lost_us, checkpoint.get("lost_us")) if each is not None), default=None)
        is_told = lost_us is None or after_us > before_us
        return Readings(
            coverage=records(self.source, window, Reach(before_us, after_us, lost_us), found.faults),
            events=events(self.source, _once(found.prices)),
            dead_letters=tuple(found.letters),
            checkpoint={
                **progress.as_json(),
                "since_us": after_us,
                **({} if is_told else {"lost_us": lost_us}),
            },
            more=progress.goes_on,
        )

    def end(self, time_us: int, checkpoint: Checkpoint) -> Readings | None:
        """Nothing is held open."""
        return None

    def close(self) -> None:
        """Close connections."""
        self._asker.close()


def _once(prices: list[Price]) -> list[Price]:
    return list({price.id: price for price in reversed(prices)}.values())[::-1]
