"""The requests to a bucket: pages of a list, and the bytes of one version of an object.

A version is asked for by its entity tag, so that what was listed is what is read: an object that was overwritten since answers 412. A
download that breaks off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from threading import Event
from typing import Any

from collector.account.answers import code_of, is_answer, status_of
from collector.account.permissions import Grant, Operation
from collector.account.refusals import translated
from collector.account.session import Account
from collector.datastore.s3.config import S3Config
from collector.datastore.s3.download import Floor, Slow, pieces, portions
from collector.datastore.s3.found import Found
from collector.errors import SourceError, TransientError
from meterbook.wire import instants

LIST = Operation("s3", "ListObjectsV2", "s3:ListBucket")
#: Asked by the client itself where a bucket is in another region.
HEAD = Operation("s3", "HeadBucket", "s3:ListBucket")
GET = Operation("s3", "GetObject", "s3:GetObject")

_FAILURES_MAX = 3
_LISTED = frozenset({"Key", "ETag", "Size", "LastModified"})


@dataclass(frozen=True)
class Page:
    """A page of a list, with S3's own time."""

    told_us: int
    objects: tuple[Found, ...]


class NotThere(SourceError):
    """This version cannot be read any more: it was overwritten or deleted, or must be restored from an archive."""


def grants(config: S3Config) -> tuple[Grant, ...]:
    """What has to be granted for a bucket (S3 user guide, "Required permissions for Amazon S3 API operations")."""
    arn = f"arn:aws:s3:::{config.bucket}"
    return Grant((LIST, HEAD), (arn,)), Grant((GET,), (f"{arn}/{config.prefix}*",))


class Bucket:
    """One bucket, for any number of threads."""

    def __init__(self, config: S3Config) -> None:
        self._config = config
        self._grants = grants(config)
        self._account = Account(config.account, self._grants, connections=2 * config.readers + 2)
        self._floor = Floor(config.download_min_bytes_s, config.account.timeout_s)

    @cached_property
    def _client(self) -> Any:
        return self._account.client("s3", self._config.region)

    def pages(self, after: str) -> Iterator[Page]:
        """The objects below the prefix behind a key, in the order of their keys. Raises SourceError."""
        given: dict[str, Any] = {"StartAfter": after} if after else {}
        while True:
            with translated(self._grants, self._config.place):
                answer = self._client.list_objects_v2(Bucket=self._config.bucket, Prefix=self._config.prefix, **given)
            # A page for people, or nothing at all, is parsed as a list that is empty: all there is would count as read.
            if "IsTruncated" not in answer or answer.get("Name") != self._config.bucket:
                raise TransientError(f"{self._config.place}: what is answered is no list of the bucket")
            is_last, token = not answer["IsTruncated"], answer.get("NextContinuationToken")
            objects = answer.get("Contents", ())
            if not (is_last or token) or not all(each.keys() >= _LISTED for each in objects):
                raise TransientError(f"{self._config.place}: the list is not whole")
            yield Page(_told_us(answer), tuple(_found(each) for each in objects))
            if is_last:
                return
            given = {"ContinuationToken": token}

    def read(self, found: Found, dropped: Event | None = None) -> Iterator[bytes]:
        """The bytes of an object, until ``dropped`` is set. Raises NotThere, other SourceErrors."""
        dropped = dropped or Event()
        position, failures = 0, 0
        while True:
            try:
                for portion in self._from(found, position, dropped):
                    position, failures = position + len(portion), 0
                    yield portion
                if position >= found.bytes:
                    return
                raise TransientError(f"{self.place(found)}: the answer ends after {position} of {found.bytes} bytes")
            except Slow:
                raise
            except TransientError:
                if dropped.is_set():
                    raise
                failures += 1
                if failures >= _FAILURES_MAX:
                    raise

    def read_range(self, found: Found, start: int, length: int, dropped: Event | None = None) -> bytes:
        """Some bytes of an object, unless ``dropped`` is set. Raises NotThere, other SourceErrors."""
        given = {"Range": f"bytes={start}-{start + length - 1}"}
        with translated(self._grants, self.place(found)):
            body = self._asked(found, given)["Body"]
            data = b"".join(pieces(body, self.place(found), self._floor, dropped or Event()))
        if len(data) != length:
            raise TransientError(f"{self.place(found)}: of {length} bytes from {start} on {len(data)} came")
        return data

    def place(self, found: Found) -> str:
        """How an object is told: ``s3://usage/2026/01.json.gz``."""
        return f"s3://{self._config.bucket}/{found.key}"

    def close(self) -> None:
        """Let go of the connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def _from(self, found: Found, position: int, dropped: Event) -> Iterator[bytes]:
        if position >= found.bytes:
            return
        given = {"Range": f"bytes={position}-"} if position else {}
        with translated(self._grants, self.place(found)):
            answer = self._asked(found, given)
            with closing(portions(answer["Body"], self.place(found), self._floor, dropped)) as body:
                # Whoever does not know ranges begins from the start.
                skip = position if position and "ContentRange" not in answer else 0
                for portion in body:
                    if skip:
                        portion, skip = portion[skip:], max(0, skip - len(portion))
                    if portion:
                        yield portion

    def _asked(self, found: Found, given: dict[str, str]) -> Any:
        """The answer to a request for an object, as it was listed."""
        try:
            answer = self._client.get_object(
                Bucket=self._config.bucket, Key=found.key, IfMatch=f'"{found.etag}"', **given
            )
        except Exception as error:
            if is_answer(error):
                self._not_there(found, error)
            raise
        if "ETag" not in answer:
            answer["Body"].close()
            raise TransientError(f"{self.place(found)}: what is answered is no object")
        if _tag(answer["ETag"]) != found.etag:
            answer["Body"].close()
            raise NotThere(f"{self.place(found)}: it was overwritten before it was read to its end")
        return answer

    def _not_there(self, found: Found, error: Any) -> None:
        code, status, place = code_of(error), status_of(error), self.place(found)
        if code in ("NoSuchKey", "NoSuchVersion") or (status == 404 and code == "404"):
            raise NotThere(f"{place}: it was deleted before it was read to its end") from error
        if code == "PreconditionFailed" or status == 412:
            raise NotThere(f"{place}: it was overwritten before it was read to its end") from error
        if code == "InvalidObjectState":
            raise NotThere(
                f"{place}: it is in an archive; what is restored and copied to another key is read"
            ) from error


def _tag(etag: str) -> str:
    """An entity tag; whether it is called weak, as proxies do that compress, is of no account."""
    return etag.removeprefix("W/").strip('"')


def _told_us(answer: Any) -> int:
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return instants.from_datetime(parsedate_to_datetime(told))
    except ValueError:
        return instants.now_us()


def _found(listed: Any) -> Found:
    modified: datetime = listed["LastModified"].astimezone(UTC)
    etag = _tag(listed["ETag"])
    return Found(
        listed["Key"], etag, instants.from_datetime(modified), listed["Size"], listed.get("StorageClass", "STANDARD")
    )
