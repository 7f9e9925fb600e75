"""A bucket with usage in it, on a real S3 server that all tests of a process share, and the settings with which it is read."""

from __future__ import annotations

import atexit
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest import mock

from tests.servers.seaweed import SeaweedServer


@cache
def server() -> SeaweedServer:
    """The server; it ends with the process."""
    running = SeaweedServer()
    running.start()
    atexit.register(running.stop)
    return running


@dataclass(frozen=True)
class UsageBucket:
    """A bucket, in the hands of those who write to it."""

    name: str
    client: Any

    @property
    def settings(self) -> dict[str, Any]:
        """What a source of the kind ``s3`` needs to read it."""
        return {"bucket": self.name, "account": {"endpoint": f"http://{server().endpoint}", "attempts_max": 1}}

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def listed(self) -> list[tuple[str, str]]:
        """Keys and entity tags."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [(each["Key"], each["ETag"]) for page in pages for each in page.get("Contents", ())]

    def delete(self) -> None:
        """The bucket with all that is in it."""
        server().delete_bucket(self.name)


@contextmanager
def usage_bucket() -> Iterator[UsageBucket]:
    """A bucket that is empty, and credentials for it in the environment."""
    running = server()
    name = f"usage-{uuid.uuid4().hex[:12]}"
    running.create_bucket(name)
    client = running.client()
    environment = {
        "AWS_ACCESS_KEY_ID": running.access_key_id,
        "AWS_SECRET_ACCESS_KEY": running.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with mock.patch.dict(os.environ, environment):
        try:
            yield UsageBucket(name, client)
        finally:
            client.close()
