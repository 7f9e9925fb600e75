"""A ledger that is killed in a run of finalizing: what is in the book is whole, and the next run goes on behind it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.metering.booking import Booker
from ledger.query.applying import Applier
from ledger.query.finalizing import Finalizer
from ledger.query.invoices import answer_invoices, answer_verify_invoice
from meterbook.ledger.v1 import admin_pb2, invoicing_pb2
from tests.ledger.batches import opened

ROOT = Path(__file__).parents[3]
TENANTS, PERIODS = 12, 3
#: Finalizes, tells of each, and is killed by whoever listens or when so many are told.
RUN = """
import os, signal, sys
from pathlib import Path
from ledger.journal.journal import Journal
from ledger.metering.booking import Booker
from ledger.query.finalizing import Finalizer
from meterbook.ledger.v1 import invoicing_pb2
from meterbook.wire import instants

journal, left = Journal(Path(sys.argv[1])), int(sys.argv[2])
append = Journal.append

def killed(self, draft):
    global left
    future = append(self, draft)
    left -= 1
    if left == 0:
        if left_over := int(sys.argv[3]):
            future.result()
        os.kill(os.getpid(), signal.SIGKILL)
    return future

Journal.append = killed
request = invoicing_pb2.FinalizeRequest(author="ada")
for each in Finalizer(journal, Booker(journal), 0, lambda: instants.parse("2026-04-02")).finalize(request, ""):
    print(each.invoice.id, flush=True)
"""


def book() -> str:
    parts = [
        "{kind: plan, name: team, spec: {currency: EUR, flat_fee: 10}}",
        *(f"{{kind: tenant, name: t{number}, spec: {{}}}}" for number in range(TENANTS)),
        *(
            f"{{kind: subscription, name: s{number}, spec: {{tenant: t{number}, plan: team, start: 2026-01-01, end: 2026-04-01}}}}"
            for number in range(TENANTS)
        ),
        *(
            f"{{kind: credit, name: c{number}, spec: {{tenant: t{number}, amount: 15, currency: EUR, reason: a start}}}}"
            for number in range(TENANTS)
        ),
    ]
    return "\n---\n".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_every_draft_becomes_one_invoice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with opened(tmp_path) as journal:
        manifests = [admin_pb2.Manifest(name="a.yaml", text=book())]
        Applier(journal).apply(admin_pb2.ApplyRequest(author="ada", manifests=manifests))
    told: set[str] = set()
    for _ in range(3):
        moment, is_durable = chance.randint(1, 14), chance.randint(0, 1)
        ended = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path), str(moment), str(is_durable)],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        told.update(ended.stdout.split())
    with opened(tmp_path) as journal:
        finalizer = Finalizer(journal, Booker(journal), 0)
        told.update(each.invoice.id for each in finalizer.finalize(invoicing_pb2.FinalizeRequest(author="bob"), ""))
        found = answer_invoices(journal, invoicing_pb2.InvoicesRequest()).invoices
        assert [each.number for each in found] == list(range(1, TENANTS * PERIODS + 1))
        assert len({(each.subscription, each.start) for each in found}) == TENANTS * PERIODS
        # Nothing that was told of is gone, and no credit was drawn twice: of three times 10 each pays 15.
        assert told <= {each.id for each in found}
        for number in range(TENANTS):
            assert sum(float(each.total) for each in found if each.tenant == f"t{number}") == 15
        for each in found:
            assert answer_verify_invoice(journal, invoicing_pb2.VerifyInvoiceRequest(id=each.id)).holds
