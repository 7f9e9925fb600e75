"""S3 in memory, as boto3's client shows it, over a network that loses, delays and repeats.

It follows the Amazon S3 User Guide and API Reference: a PUT is whole or not there, and read by everybody as soon as it was
answered ("data consistency model"); one with ``If-None-Match: *`` is refused with 412 PreconditionFailed where the key is taken,
and may be refused with 409 ConditionalRequestConflict while another for the same key is under way ("conditional writes");
DELETE of what is not there succeeds; a list has keys in the order of their bytes, in pages as long as S3 likes. And
botocore's retries ("standard" mode): after a time-out, a broken connection or a 5xx, never after a 4xx.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError, ResponseStreamingError

from tests.fakes.process import Process

ATTEMPTS = 2
PAGE_KEYS = 4
KEY_BYTES_MAX = 1_024
URL = "http://s3"


class FakeS3:
    """A bucket; outlives those who use it."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, datetime] = {}
        #: Writes that nobody waits for any more; a body of None deletes.
        self.under_way: list[tuple[str, bytes | None, bool]] = []

    def put(self, key: str, body: bytes, *, is_conditional: bool) -> None:
        if is_conditional and key in self.objects:
            raise refusal("PreconditionFailed", 412, "PutObject")
        self.objects[key] = bytes(body)
        self.written[key] = self._clock()

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)
        self.written.pop(key, None)

    def arrive(self, number: int) -> None:
        """One of those under way is done."""
        key, body, is_conditional = self.under_way.pop(number)
        if body is None:
            self.delete(key)
        elif not (is_conditional and key in self.objects):
            self.put(key, body, is_conditional=False)

    def arrive_all(self) -> None:
        while self.under_way:
            self.arrive(0)


def refusal(code: str, status: int, operation: str) -> ClientError:
    said: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, operation)


class Body:
    """The content of an object while it is sent."""

    def __init__(self, content: bytes, *, breaks: bool) -> None:
        self._content, self._breaks = content, breaks

    def read(self) -> bytes:
        if self._breaks:
            raise ResponseStreamingError(error="connection broken")
        return self._content


class FakeS3Client:
    """Stands for boto3's S3 client in one process."""

    def __init__(self, server: FakeS3, process: Process) -> None:
        self._server, self._process = server, process

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str | None = None) -> dict[str, Any]:  # noqa: N803
        assert len(Key.encode()) <= KEY_BYTES_MAX
        assert IfNoneMatch in (None, "*"), "S3 knows no other value"
        is_conditional = IfNoneMatch is not None
        return self._write("PutObject", Key, bytes(Body), is_conditional=is_conditional)

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return self._write("DeleteObject", Key, None, is_conditional=False)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        fate = self._read("GetObject", Key)
        if Key not in self._server.objects:
            raise refusal("NoSuchKey", 404, "GetObject")
        return {"Body": Body(self._server.objects[Key], breaks=fate == "late")}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, ContinuationToken: str = "") -> dict[str, Any]:  # noqa: N803
        self._read("ListObjectsV2", Prefix)
        after = ContinuationToken.removeprefix("after ")
        keys = sorted((key for key in self._server.objects if key.startswith(Prefix) and key > after), key=str.encode)
        page: dict[str, Any] = {
            "Contents": [{"Key": key, "LastModified": self._server.written[key]} for key in keys[:PAGE_KEYS]]
        }
        if keys[PAGE_KEYS:]:
            page["NextContinuationToken"] = f"after {keys[PAGE_KEYS - 1]}"
        return page

    def close(self) -> None:
        """Nothing is held."""

    def _write(self, operation: str, key: str, body: bytes | None, *, is_conditional: bool) -> dict[str, Any]:
        server, error = self._server, Exception()
        for _ in range(ATTEMPTS):
            fate = self._process.fate(operation, key[-12:])
            self._let_some_arrive()
            if fate in ("well", "late", "done"):
                if is_conditional and self._conflicts(key):
                    raise refusal("ConditionalRequestConflict", 409, operation)
                if body is None:
                    server.delete(key)
                else:
                    server.put(key, body, is_conditional=is_conditional)
                if fate == "done":
                    self._process.die()
                if fate == "well":
                    return {"ResponseMetadata": {"HTTPHeaders": {"server": "AmazonS3"}}}
            elif fate == "delayed":
                server.under_way.append((key, body, is_conditional))
            error = failure(fate, operation)
        raise error

    def _read(self, operation: str, what: str) -> str:
        fate, error = "", Exception()
        for _ in range(ATTEMPTS):
            fate = self._process.fate(operation, what[-12:])
            self._let_some_arrive()
            if fate == "done":
                self._process.die()
            # A body that breaks off is not asked for again.
            if fate == "well" or (fate == "late" and operation == "GetObject"):
                return fate
            error = failure(fate, operation)
        raise error

    def _let_some_arrive(self) -> None:
        random = self._process.oracle.random
        for number in reversed(range(len(self._server.under_way))):
            if random.random() < 0.2:
                self._server.arrive(number)

    def _conflicts(self, key: str) -> bool:
        is_under_way = any(key == other for other, _, _ in self._server.under_way)
        return is_under_way and self._process.oracle.random.random() < 0.5


def failure(fate: str, operation: str) -> Exception:
    if fate == "fail":
        return EndpointConnectionError(endpoint_url=URL)
    if fate == "error":
        return refusal("SlowDown", 503, operation)
    return ReadTimeoutError(endpoint_url=URL)
