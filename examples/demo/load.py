"""The load: customers that use the shop over HTTP, each from a thread of its own, until told to stop."""

from __future__ import annotations

import random
import threading
import time

import httpx

#: Requests a second of each customer.
CUSTOMERS = {"acme": 40.0, "globex": 15.0, "initech": 4.0}


class Load:
    """Customers at work between :meth:`start` and :meth:`stop`."""

    def __init__(self, shop: str) -> None:
        self._shop = shop
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._use, args=(tenant, rate), name=tenant, daemon=True)
            for tenant, rate in CUSTOMERS.items()
        ]

    def start(self) -> None:
        """Let the customers begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until the last request of everybody was answered."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _use(self, tenant: str, rate: float) -> None:
        chance = random.Random(tenant)
        with httpx.Client(base_url=self._shop, trust_env=False) as client:
            while not self._stopping.is_set():
                asked = {"size": chance.randint(200, 20_000)}
                if chance.random() < 0.2:
                    asked["cents"] = chance.randint(100, 99_999)
                client.get(f"/t/{tenant}", params=asked).raise_for_status()
                time.sleep(chance.expovariate(rate))
