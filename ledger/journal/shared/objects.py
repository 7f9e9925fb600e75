"""Objects in S3: written once under a name of their own, read whole.

All trouble with S3 becomes LogUnavailable here, and a missing object StoreDamaged; nothing else about S3 leaves this module.
Every call ends in time: a service that hangs must look like one that is down.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError
from botocore.exceptions import ConnectionError as NoConnection

from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.lake import Keys
from ledger.journal.place import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECT_S, _READ_S, _ATTEMPTS = 3, 10, 2
_CONNECTIONS = 16
#: Not ConditionalRequestConflict: that one says that another try is under way, of which nobody knows whether it will succeed.
_TAKEN = ("PreconditionFailed",)
_MISSING = ("NoSuchKey", "404")
#: The object that says whose book a prefix holds.
BOOK = "BOOK"


@dataclass(frozen=True)
class Listed:
    """An object in a list: what it is called below the prefix, and when it was written."""

    name: str
    written: datetime


class Objects:
    """The objects below a prefix, by their names there. For any number of threads."""

    def __init__(self, bucket: Bucket, client: S3Client | None = None) -> None:
        """``client`` is who asks S3; None for one that finds its credentials where AWS clients look for them."""
        self.bucket = bucket
        #: Whether names are reserved with ``If-None-Match``; a server that does not know it gets plain writes.
        self.is_conditional = True
        self._lock = threading.Lock()
        self._client = client

    def put(self, name: str, body: bytes) -> str:
        """Write a new object; gives what the server calls itself. Raises NameTaken, LogUnavailable."""
        condition = {"IfNoneMatch": "*"} if self.is_conditional else {}
        with self._translated("written"):
            try:
                said = self._s3().put_object(Bucket=self.bucket.name, Key=self.bucket.key(name), Body=body, **condition)  # type: ignore[arg-type]
                return str(said["ResponseMetadata"]["HTTPHeaders"].get("server", ""))
            except ClientError as error:
                if _code(error) not in _TAKEN:
                    raise
        # A first try whose answer was lost has written it; a name is never given twice.
        try:
            if self.get(name) != body:
                raise NameTaken(f"{self.bucket}: {name} is there already with other content")
        except StoreDamaged as error:
            raise LogUnavailable(f"{self.bucket}: {name} was deleted while it was written; try again") from error
        return ""

    def get(self, name: str) -> bytes:
        """The content of an object. Raises StoreDamaged where there is none, LogUnavailable."""
        with self._translated("read"):
            try:
                return self._s3().get_object(Bucket=self.bucket.name, Key=self.bucket.key(name))["Body"].read()
            except ClientError as error:
                if _code(error) not in _MISSING:
                    raise
        raise StoreDamaged(f"{self.bucket}: the object {name} is missing; restore it from a backup or an older version")

    def delete(self, names: list[str]) -> None:
        """Delete objects, if they are there. Raises LogUnavailable."""
        with self._translated("written"):
            for name in names:
                self._s3().delete_object(Bucket=self.bucket.name, Key=self.bucket.key(name))

    def listed(self, under: str) -> Iterator[list[Listed]]:
        """Pages of the objects whose names begin with ``under``, in order of their names. Raises LogUnavailable."""
        start = len(self.bucket.key(""))
        token = ""
        while True:
            more = {"ContinuationToken": token} if token else {}
            with self._translated("read"):
                page = self._s3().list_objects_v2(Bucket=self.bucket.name, Prefix=self.bucket.key(under), **more)  # type: ignore[arg-type]
            yield [Listed(found["Key"][start:], found["LastModified"]) for found in page.get("Contents", [])]
            token = page.get("NextContinuationToken", "")
            if not token:
                return

    def keys(self) -> Keys:
        """What opens the bucket just now; such keys may expire. Raises LogUnavailable where there are none."""
        with self._translated("read"):
            found = self._session.get_credentials()
            if found is None:
                raise NoCredentialsError
            now = found.get_frozen_credentials()
        return Keys(now.access_key or "", now.secret_key or "", now.token)

    @property
    def region(self) -> str:
        """The region that requests name. Raises LogUnavailable."""
        with self._translated("read"):
            return self._s3().meta.region_name

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()

    @cached_property
    def _session(self) -> boto3.session.Session:
        return boto3.session.Session()

    def _s3(self) -> S3Client:
        with self._lock:
            if self._client is None:
                self._client = self._session.client(
                    "s3",
                    endpoint_url=self.bucket.endpoint,
                    region_name=self.bucket.region,
                    config=Config(
                        connect_timeout=_CONNECT_S,
                        read_timeout=_READ_S,
                        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                        max_pool_connections=_CONNECTIONS,
                        tcp_keepalive=True,
                        # Servers of other makes seldom have a name for each bucket.
                        s3={"addressing_style": "path" if self.bucket.endpoint else "auto"},
                    ),
                )
            return self._client

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            raise LogUnavailable(f"{self.bucket}: cannot be {what} ({_code(error)}, HTTP status {status})") from error
        except (HTTPClientError, NoConnection) as error:
            raise LogUnavailable(
                f"{self.bucket}: cannot be reached ({type(error).__name__}); is S3 running?"
            ) from error
        except (BotoCoreError, OSError) as error:
            # Such as no credentials, which has a message of its own that names none.
            raise LogUnavailable(f"{self.bucket}: cannot be {what} ({error})") from error


class NameTaken(LogUnavailable):
    """Another object has the name."""


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "no code"))
