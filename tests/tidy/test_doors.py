"""The agent and the collectors have no client but those that are guarded; what could be another is found, as planted ones are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidy.doors import homes, offences

ROOT = Path(__file__).parents[2]
LIBRARIES = homes(ROOT / ".importlinter")


def modules() -> dict[str, str]:
    """What is written in the agent and the collectors, by the names of modules."""
    found = {}
    for folder in ("agent", "collector"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path.read_text(encoding="utf-8")
    return found


def test_there_is_no_other_door() -> None:
    found = modules()
    assert {"agent.uplink", "collector.readonly", "collector.cluster.client"} <= found.keys()
    offenders = [each for name, source in found.items() for each in offences(name, source, LIBRARIES)]
    if offenders:
        pytest.fail("\n  ".join(["these could reach or write what is not theirs:", *offenders]), pytrace=False)


def test_the_homes_are_those_that_the_layers_protect() -> None:
    assert LIBRARIES["kubernetes"] == ("collector.cluster.credentials",)
    assert LIBRARIES["httpx"] == ("collector", "ledger.server.webhook")
    assert "agent.uplink" in LIBRARIES["grpc"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("collector.aws.s3", "import boto3"),
        ("collector.aws.s3", "import botocore.session"),
        ("collector.prometheus.fetch", "import requests"),
        ("collector.prometheus.fetch", "from requests import post"),
        ("collector.prometheus.fetch", "import aiohttp"),
        ("collector.prometheus.fetch", "import urllib3"),
        ("collector.prometheus.fetch", "import urllib.request"),
        ("collector.prometheus.fetch", "from urllib import request"),
        ("collector.prometheus.fetch", "from urllib.request import urlopen"),
        ("collector.prometheus.fetch", "import http.client as quiet"),
        ("collector.prometheus.fetch", "def late():\n    import socket"),
        ("collector.prometheus.fetch", "import httpcore"),
        ("collector.prometheus.fetch", "import smtplib, ftplib"),
        ("collector.kubernetes.usage", "from kubernetes import client"),
        ("collector.kubernetes.usage", "from kubernetes.client import CoreV1Api"),
        ("collector.cluster.client", "import kubernetes.client"),
        ("collector.kubernetes.usage", "import grpc"),
        ("agent.tagger", "import grpc"),
        ("agent.tagger", "import httpx"),
        ("agent.runner", "import subprocess"),
        ("agent.runner", "import os\nos.system('true')"),
        ("agent.runner", "from os import execv"),
        ("agent.runner", "import os as o\nrun = o.popen"),
        ("agent.runner", "import asyncio\nasyncio.run(x())"),
        ("agent.runner", "import something_new"),
        ("agent.runner", "__import__('socket')"),
        ("agent.runner", "import importlib\nimportlib.import_module('socket')"),
        ("agent.runner", "from importlib import import_module"),
        ("agent.runner", "exec('import socket')"),
        ("agent.runner", "from collector.base import *"),
        ("collector.prometheus.fetch", "import httpx\nhttpx.get('http://a')"),
        ("collector.prometheus.fetch", "import httpx\nclient = httpx.Client()"),
        ("collector.prometheus.fetch", "import httpx as h\nmade = h.AsyncClient"),
        ("collector.prometheus.fetch", "from httpx import Client\nmade = Client()"),
        ("collector.prometheus.fetch", "import httpx\nhttpx.HTTPTransport()"),
        ("collector.prometheus.fetch", "def f(client):\n    client.post('/x')"),
        ("collector.prometheus.fetch", "def f(client):\n    client.delete('/x')"),
        ("collector.prometheus.fetch", "def f(client):\n    client.request('PUT', '/x')"),
        ("collector.prometheus.fetch", "def f(client, method):\n    client.stream(method, '/x')"),
        ("collector.cluster.client", "def f(client):\n    client.build_request(method='PATCH', url='/x')"),
        ("collector.datastore.logfile.lines", "open('/var/log/x', 'w')"),
        ("collector.datastore.logfile.lines", "open('/var/log/x')"),
        ("collector.datastore.logfile.lines", "def f(path):\n    path.write_text('x')"),
        ("collector.datastore.logfile.lines", "def f(path):\n    path.unlink()"),
        ("collector.datastore.logfile.lines", "def f(path):\n    path.open('ab')"),
        ("collector.datastore.logfile.lines", "def f(path):\n    path.open(mode='r+')"),
        ("collector.datastore.logfile.lines", "import os\nos.open('x', os.O_RDWR)"),
        ("collector.datastore.logfile.lines", "import os\nos.truncate('x', 0)"),
        ("collector.datastore.logfile.lines", "import shutil"),
        ("collector.readings", "import pyarrow.fs"),
        ("collector.readings", "from pyarrow import flight"),
        ("collector.readings", "import pyarrow as pa\npa.OSFile('x', 'w')"),
        ("agent.selfmetrics", "from prometheus_client import push_to_gateway"),
        ("agent.selfmetrics", "import prometheus_client\nprometheus_client.start_http_server(1)"),
        ("agent.config", "import yaml\nyaml.unsafe_load('x')"),
        ("agent.tagger", "import sqlite3"),
        ("agent.tagger", "import sqlite_utils"),
    ],
)
def test_a_planted_door_is_found(module: str, source: str) -> None:
    assert offences(module, source, LIBRARIES)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("collector.prometheus.fetch", "import httpx\nclient: httpx.Client | None = None"),
        ("collector.prometheus.fetch", "import httpx\ndef f(client: httpx.Client) -> httpx.Client:\n    return client"),
        ("collector.prometheus.fetch", "import httpx\nhttpx.URL('http://a')"),
        ("collector.prometheus.fetch", "def f(client):\n    client.stream('GET', '/x')"),
        ("collector.prometheus.fetch", "from urllib.parse import urlsplit"),
        ("collector.readonly", "import httpx\nhttpx.Client()"),
        ("collector.readonly", "import os\nos.open('/x', os.O_RDONLY)"),
        ("collector.cluster.credentials", "from kubernetes.client import Configuration"),
        ("agent.uplink", "import grpc"),
        ("agent.enrolment", "def f(path):\n    path.unlink()"),
        ("agent.cli", "from importlib.metadata import version"),
        ("agent.runner", "import os\nos.stat('x')\n'a'.replace('a', 'b')"),
        ("agent.runner", "def f(handles):\n    handles.open(found)"),
    ],
)
def test_what_is_no_door_is_none(module: str, source: str) -> None:
    assert offences(module, source, LIBRARIES) == []
