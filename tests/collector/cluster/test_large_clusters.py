"""A large cluster: what it takes to know ten thousand pods, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.cluster.conftest import pod
from tests.fakes.kubernetes_api import FakeKubernetesApi
from tests.fakes.kubernetes_storage import resource

PODS_COUNT = 10_000
#: The 100 MB of text come by pages of 5 MB; what is held for a pod in the test is some 300 bytes.
GROWTH_BYTES_MAX = 40 << 20

PROGRAM = """
import json, sys
from pathlib import Path
from collector.cluster.client import connect
from collector.cluster.config import ClusterConfig
from collector.cluster.reflector import Reflector
from tests.collector.cluster.conftest import PERMISSIONS, PODS, parse

class Count:
    def replace(self, present):
        self.present = len(present)
    def changed(self, value): ...
    def removed(self, value): ...

def peak():
    # Not ru_maxrss, in which the process that started this one counts as well.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

api, count = connect(ClusterConfig(kubeconfig=Path(sys.argv[1])), PERMISSIONS), Count()
api.get(PODS, {"limit": "1"})
before = peak()
reflector = Reflector(api, PODS, parse, count)
reflector.start()
reflector.synced.wait()
reflector.stop()
reflector.join()
print(json.dumps({"pods": count.present, "growth_bytes": peak() - before}))
"""


@pytest.mark.slow
def test_ten_thousand_pods_are_known_within_a_few_pages_of_memory(server: FakeKubernetesApi) -> None:
    # As long as real ones, with metadata.managedFields as most of what there is to parse.
    fields = {f"f:name-{name}": {} for name in range(200)}
    for number in range(PODS_COUNT):
        given = pod(f"pod-{number}", image="shop:1", command=["x" * 6_000])
        given["metadata"]["managedFields"] = [{"manager": "kubelet", "fieldsV1": fields}]
        server.put("pods", given)
    page = server.storage.page(resource("pods"), None, {"limit": "500"})
    assert 8_000 < len(page) / 500 < 12_000, "a pod is as long as real ones are"
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(server.kubeconfig)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(ran.stdout)
    assert measured["pods"] == PODS_COUNT
    assert measured["growth_bytes"] < GROWTH_BYTES_MAX, measured
    lists = [request for request in server.requests if "watch" not in request.parameters]
    assert len(lists) == 1 + PODS_COUNT // 500
