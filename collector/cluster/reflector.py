"""List and watch of one collection, for ever: what a cluster holds, as small values, always nearly current.

The way of client-go's reflector ("Kubernetes API Concepts", section "Efficient detection of changes"):

* list by pages, all as of one resource version; then watch from that version on;
* a watch ends after some minutes, or breaks: go on from the version of the last event or bookmark, nothing is missed;
* 410, or anything that makes no sense: list anew. What vanished meanwhile is told, in its last known state.

Objects become values as soon as they come, and what they came as is let go: of a pod of 10 kB a collector wants
200 bytes. When trying again, it waits with exponential back-off and full jitter, so that the agents of a large cluster
do not come back in step; only a watch that told something begins the count anew.
"""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from collector.cluster.client import KubernetesApi, Watch
from collector.cluster.listing import Event, event, identity, page, version
from collector.cluster.refusals import Expired, Garbled, Throttled
from collector.errors import PermanentError, SourceError
from meterbook.wire.instants import now_us, to_datetime

BACKOFF_FIRST_S = 0.5
#: Lists that may expire half-way before one is asked for in a single page.
EXPIRED_LISTS_MAX = 3
#: Watches in a row that may tell nothing, not even a bookmark, before the list is taken anew: a server that was
#: restored from a backup is silent about versions from before.
SILENT_WATCHES_MAX = 5

T = TypeVar("T")


class Sink(Protocol[T]):
    """Who is told, in the reflector's thread. What a sink raises makes the collection be listed anew."""

    def replace(self, present: list[T]) -> None:
        """The collection is exactly this; what vanished since the last time has been told as removed before."""

    def changed(self, value: T) -> None:
        """An object came, or is another than before."""

    def removed(self, value: T) -> None:
        """An object is gone; this is its last state, or the last one known if it went unseen."""


class Reflector(Generic[T]):
    """Keeps a sink told of one collection, in a thread of its own, from ``start`` to ``stop``.

    ``path`` is that of the collection (``/api/v1/pods``). ``parse`` gives the value of an object, or None for one that
    is of no interest or cannot be read; what it raises makes the collection be listed anew.
    """

    def __init__(
        self, api: KubernetesApi, path: str, parse: Callable[[dict[str, Any]], T | None], sink: Sink[T]
    ) -> None:
        #: Set once the collection has been listed as a whole.
        self.synced = threading.Event()
        self._api = api
        self._config = api.config
        self._path = path
        self._place = api.credentials.host + path
        self._parse = parse
        self._sink = sink
        self._values: dict[str, T] = {}
        self._version = ""  # of what has been told; empty: must be listed
        self._problem: tuple[str, int] | None = None
        self._refused = False  # the last watch: the list is taken anew, and that mends nothing
        self._fruitless = 0
        self._silent = 0
        self._over = threading.Event()
        self._watching: Watch | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and return at once; a watch ends now, a page of a list within ``timeout_s``."""
        self._over.set()
        watching = self._watching
        if watching is not None:
            watching.close()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end after ``stop``; whether it came in time. Nothing is told after it."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def problem(self) -> str:
        """Why the view is not current, and since when; empty when all is well."""
        found = self._problem
        return "" if found is None else f"{found[0]} (since {to_datetime(found[1]).isoformat(timespec='seconds')})"

    def _run(self) -> None:
        while not self._over.is_set():
            self._fruitless += 1
            least_wait_s = 0.0
            try:
                if self._version or self._list():
                    self._watch()
            except Expired:
                self._version = ""
            except (Garbled, PermanentError) as error:
                self._version = ""
                self._fail(str(error))
            except SourceError as error:
                self._fail(str(error))
                least_wait_s = error.retry_after_s if isinstance(error, Throttled) else 0.0
            except Exception as error:  # noqa: BLE001 - a bug in parse or in a sink must not blind for ever
                self._version = ""
                # Not quoted: an object may hold anything, and so may what is said about it.
                where = traceback.extract_tb(error.__traceback__)[-1]
                self._fail(
                    f"{self._place} could not be taken in: {type(error).__name__} in {where.name}:{where.lineno}"
                )
            self._over.wait(least_wait_s + self._backoff_s())

    def _backoff_s(self) -> float:
        if self._fruitless == 0:
            return 0.0
        longest_s = min(self._config.backoff_s_max, BACKOFF_FIRST_S * 2 ** min(self._fruitless - 1, 30))
        return random.uniform(0, longest_s)  # noqa: S311 - jitter, not a secret

    def _fail(self, reason: str) -> None:
        since_us = now_us() if self._problem is None else self._problem[1]
        self._problem = (reason, since_us)

    def _list(self) -> bool:
        """Take the collection anew; False if it was to end in the middle."""
        for _ in range(EXPIRED_LISTS_MAX):
            try:
                return self._list_by(self._config.page_limit)
            except Expired:
                continue
        return self._list_by(0)

    def _list_by(self, limit: int) -> bool:
        values: dict[str, T] = {}
        parameters = {"limit": str(limit)} if limit else {}

        def keep(document: dict[str, Any]) -> None:
            value = self._parse(document)
            if value is not None:
                values[identity(self._place, document)] = value

        while not self._over.is_set():
            found = page(self._place, self._api.get(self._path, parameters), keep)
            if len(values) > self._config.objects_max:
                raise PermanentError(f"{self._place} has more than objects_max {self._config.objects_max} objects")
            if not found.next_page:
                self._take(values)
                self._version = found.version
                if not self._refused:
                    self._problem = None
                self.synced.set()
                return True
            parameters["continue"] = found.next_page
        return False

    def _take(self, values: dict[str, T]) -> None:
        # First what is gone: what came since may have its name.
        for identity_, value in self._values.items():
            if identity_ not in values:
                self._sink.removed(value)
        self._sink.replace(list(values.values()))
        self._values = values

    def _watch(self) -> None:
        seconds = random.randint(self._config.watch_s, 2 * self._config.watch_s)  # noqa: S311 - jitter
        parameters = {
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        with self._open(parameters) as watch:
            self._silent += 1
            self._watching = watch
            if self._over.is_set():  # set before the watch could be closed
                return
            try:
                for line in watch:
                    self._follow(watch, event(self._place, line))
            finally:
                self._watching = None
                if self._silent >= SILENT_WATCHES_MAX:
                    self._silent = 0
                    self._version = ""

    def _open(self, parameters: dict[str, str]) -> Watch:
        try:
            watch = self._api.watch(self._path, parameters)
        except PermanentError:
            # What is listed again and again but never watched is not current, however often the list succeeds.
            self._refused = True
            raise
        if self._refused:
            self._refused, self._problem = False, None
        return watch

    def _follow(self, watch: Watch, found: Event) -> None:
        if found.kind == "ERROR":
            error = watch.refused(found.document)
            raise error if isinstance(error, Expired) else Garbled(str(error))
        reached = version(self._place, found.document)
        if found.kind != "BOOKMARK":
            self._tell(found)
        self._version = reached
        self._fruitless = self._silent = 0
        self._problem = None

    def _tell(self, found: Event) -> None:
        uid = identity(self._place, found.document)
        value = self._parse(found.document)
        before = self._values.get(uid)
        if found.kind == "DELETED" or value is None:
            # A pod's last state has when its containers ended: it is worth more than the one before.
            last = value if value is not None else before
            if last is not None:
                self._sink.removed(last)
            self._values.pop(uid, None)
        else:
            self._sink.changed(value)
            self._values[uid] = value
