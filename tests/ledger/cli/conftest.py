"""A ledger that holds a little of everything, for tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger.books import filled
from tests.ledger.running import Running, serving


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """See ``tests.ledger.books``; tests that add to it take their own."""
    folder = tmp_path_factory.mktemp("shop")
    with serving(folder / "store") as running:
        filled(running, folder)
        yield running
