"""An account whose clients are made once, as each takes longer to make than what is tested takes, and keys that no real service knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collector.account.session import Account


class Once(Account):
    """An account that makes one client of each service and region."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._made: dict[tuple[str, str | None], Any] = {}

    def client(self, service: str, region: str | None = None) -> Any:
        if (service, region) not in self._made:
            self._made[service, region] = super().client(service, region)
        return self._made[service, region]

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._made.values():
            client.close()


def keys() -> Iterator[None]:
    """A fixture of what everything asks with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
