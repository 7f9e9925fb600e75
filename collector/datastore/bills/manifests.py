"""Manifests of AWS Data Exports: which billing period a refresh is of, which refresh it is, and which files belong to it.

Where they stand is told in "Understanding export delivery" of the Data Exports user guide::

    <prefix>/<export>/metadata/BILLING_PERIOD=2026-01/<export>-Manifest.json
    <prefix>/<export>/metadata/BILLING_PERIOD=2026-01/<time>-<execution id>/<export>-Manifest.json

The first always is of the latest refresh, whether refreshes overwrite each other or not, and is the only one that is looked at. It is written
after all files. Exports also spell the partition ``billing_period``. What a manifest holds is published nowhere; it has ``dataFiles``, a list
of URLs, and ``executionId``. Which files there are is said by that list and never found out by their names: a shorter refresh leaves files
behind that belong to none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

from collector.datastore.bills.refused import Refused
from meterbook.wire import instants

_PARTITION = re.compile(
    r"metadata/billing_period=((?:19[7-9]|[2-9][0-9]{2})[0-9]-(?:0[1-9]|1[0-2]))/[^/]*Manifest\.json", re.IGNORECASE
)
_HALF = re.compile("[\ud800-\udfff]")
#: Bytes of a manifest: it names some hundreds of columns, and each of its files.
MANIFEST_BYTES_MAX = 16 << 20


@dataclass(frozen=True)
class Manifest:
    """One refresh: its execution id, empty where none is told, and the keys of its files in order."""

    execution: str
    keys: tuple[str, ...]


def month_of(key: str, folder: str) -> str | None:
    """The billing period, ``2026-01``, whose latest refresh the manifest at ``key`` tells; None for any other object."""
    found = _PARTITION.fullmatch(key.removeprefix(folder)) if key.startswith(folder) else None
    return None if found is None else found[1]


def start_us(month: str) -> int:
    """When a billing period begins: months of AWS are those of UTC."""
    return instants.from_datetime(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC))


def read_manifest(document: bytes, bucket: str, folder: str, files_max: int) -> Manifest:
    """What a manifest says. Raises Refused where it says nothing that can be read, or names what is not in the export's folder."""
    try:
        told = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise Refused(f"it is not JSON ({error})", document=_shown(document)) from None
    if not isinstance(told, dict) or not isinstance(told.get("dataFiles"), list):
        raise Refused("it has no list dataFiles", document=_shown(document))
    keys = tuple(_keys(told["dataFiles"], bucket, folder))
    if len(keys) > files_max:
        raise Refused(f"it names {len(keys)} files, and files_max is {files_max}")
    if len(set(keys)) < len(keys):
        raise Refused("it names a file twice", document=_shown(document))
    execution = told.get("executionId", "")
    if not _is_text(execution) or len(execution) > 256:
        raise Refused("its executionId is no text of 256 characters at most", document=_shown(document))
    return Manifest(execution, keys)


def _keys(files: list[Any], bucket: str, folder: str) -> Iterator[str]:
    for each in files:
        # Objects with the URL in one member have been seen as well.
        url = (
            next((each[name] for name in ("s3Uri", "uri", "key") if name in each), each)
            if isinstance(each, dict)
            else each
        )
        if not _is_text(url):
            raise Refused("an entry of dataFiles is no URL", document=_shown(json.dumps(each).encode()))
        key = url.removeprefix(f"s3://{bucket}/")
        if not key.startswith(folder) or len(key) == len(folder):
            raise Refused(f"it names {_shown(url.encode())}, which is not below s3://{bucket}/{folder}")
        yield key


def _is_text(told: object) -> TypeGuard[str]:
    # JSON can have one half of a surrogate pair, which nobody can write down.
    return isinstance(told, str) and not _HALF.search(told)


def _shown(document: bytes) -> str:
    return document[:1_000].decode("utf-8", "replace")
