"""What an export has delivered: the newest manifest of each billing period, and the files of one, as they are in the bucket now.

Files are taken by the entity tags that a list shows after the manifest was read, and only if none of them is missing or newer than the
manifest: then the next refresh has begun to overwrite them, and its manifest is still to come. S3 tells times by the second, so of a refresh that
begins in the second in which the one before ended, this is not seen; AWS refreshes a few times a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from collector.datastore.bills.bill import Bill
from collector.datastore.bills.config import BillsConfig
from collector.datastore.bills.manifests import MANIFEST_BYTES_MAX, month_of, read_manifest
from collector.datastore.bills.refused import Refused, Waiting
from collector.datastore.s3.bucket import Bucket, NotThere
from collector.datastore.s3.found import ARCHIVED, Found


class Deliveries:
    """The deliveries of one export."""

    def __init__(self, config: BillsConfig, bucket: Bucket) -> None:
        self._config, self._bucket = config, bucket
        self._folder = config.folder.prefix

    def manifests(self) -> dict[str, Found]:
        """The newest manifest of each billing period, the oldest period first. Raises SourceError."""
        newest: dict[str, Found] = {}
        for each in self._below(f"{self._folder}metadata/"):
            month = month_of(each.key, self._folder)
            if month is None or month < (self._config.since or ""):
                continue
            before = newest.get(month)
            if before is None or (each.modified_us, each.key) > (before.modified_us, before.key):
                newest[month] = each
        return dict(sorted(newest.items()))

    def bill(self, month: str, manifest: Found) -> Bill:
        """The version that a manifest tells, of which nothing is read yet. Raises Refused, Waiting, SourceError."""
        if manifest.bytes > MANIFEST_BYTES_MAX:
            raise Refused(f"it has {manifest.bytes} bytes, and not up to {MANIFEST_BYTES_MAX}")
        try:
            document = b"".join(self._bucket.read(manifest))
        except NotThere as error:
            raise Waiting(str(error)) from error
        told = read_manifest(document, self._config.bucket, self._folder, self._config.files_max)
        there = self._found(told.keys)
        for key in told.keys:
            place = f"s3://{self._config.bucket}/{key}"
            if key not in there:
                raise Waiting(f"{place}: the file is not there, and the manifest names it; it is waited for")
            if there[key].modified_us > manifest.modified_us:
                raise Waiting(
                    f"{place}: the file is newer than its manifest; the manifest of the refresh is waited for"
                )
            if there[key].storage in ARCHIVED:
                raise Waiting(f"{place}: the file is in an archive; it is waited for until it is written anew")
        return Bill(month, manifest, told.execution, tuple(there[key] for key in told.keys))

    def is_current(self, manifest: Found) -> bool:
        """Whether a manifest is still what it was. Raises SourceError."""
        now = self._found((manifest.key,)).get(manifest.key)
        return now is not None and now.etag == manifest.etag and now.modified_us == manifest.modified_us

    def _found(self, keys: tuple[str, ...]) -> dict[str, Found]:
        """Those of some objects that are there."""
        folders: dict[str, set[str]] = defaultdict(set)
        for key in keys:
            folders[key[: key.rindex("/") + 1]].add(key)
        there: dict[str, Found] = {}
        for folder, wanted in folders.items():
            first, last = min(wanted), max(wanted)
            # A list begins behind a key: what is shorter by a character comes before.
            for each in self._below(folder, after=first[:-1]):
                if each.key in wanted:
                    there[each.key] = each
                if each.key >= last:
                    break
        return there

    def _below(self, folder: str, after: str | None = None) -> Iterator[Found]:
        for page in self._bucket.pages(folder if after is None else after):
            for each in page.objects:
                if not each.key.startswith(folder):
                    return
                yield each
