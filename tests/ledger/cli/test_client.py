"""What a command says when the ledger ends while the answer is under way, and when its certificate is out of its time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.ledger.running import run_cli, serving

# It takes a call and is gone.
ENDING = """
import os, signal
from concurrent.futures import ThreadPoolExecutor
import grpc

class Ending(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: os.kill(os.getpid(), signal.SIGKILL))

server = grpc.server(ThreadPoolExecutor(1), handlers=[Ending()])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


@pytest.fixture
def ending() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", ENDING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def test_a_connection_that_breaks_is_told_apart_from_a_ledger_that_is_not_there(ending: str) -> None:
    done = run_cli("usage", "--ledger", ending)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == f"Error: the connection to {ending} broke before the answer: ask again"


@pytest.mark.parametrize(
    ("begins_days", "valid_days", "told"),
    [
        (-9, -1, "has ended: have it renewed, or look at this machine's clock"),
        (5, 20, "is not valid yet: look at this machine's clock, or wait"),
    ],
)
def test_a_certificate_out_of_its_time(tmp_path: Path, begins_days: float, valid_days: float, told: str) -> None:
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("ledger", begins_days=begins_days, valid_days=valid_days)
    with serving(tmp_path / "store", tls={"cert_file": pair.cert_file, "key_file": pair.key_file}) as running:
        done = run_cli("agents", "--ledger", running.address, "--ca-file", str(authority.file))
        assert done.exit_code == 1
        assert done.stderr == f"Error: the certificate of {running.address}, or its authority's, {told}\n"
