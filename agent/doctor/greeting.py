"""What the ledger says when it is asked: whether it serves, knows this agent, understands what it speaks, and what time it has.

The question is ``Intake.Greet``, which takes nothing in: an agent that runs meanwhile is not disturbed. A ledger from before it was there
answers that it does not know it, once it has decided whether it knows the agent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from agent.config import AgentConfig
from agent.connection import bearer, channel
from agent.enrolment import KeyFiles
from meterbook.doctor.findings import PATIENCE_S, Finding, failure, ok, warning
from meterbook.doctor.machine import clock_difference
from meterbook.doctor.reaching import silent
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.wire.instants import SECOND_US, now_us
from meterbook.wire.sections import SCHEMA_VERSION
from meterbook.wire.software import software

#: The service of gRPC itself, in its own bytes: a request about everything, and the answer SERVING (grpc.health.v1).
_HEALTH, _SERVING = "/grpc.health.v1.Health/Check", b"\x08\x01"
_REFUSED = {
    grpc.StatusCode.UNAUTHENTICATED: "enrol the agent anew: have an admin run 'meterbook access invite-agent'",
    grpc.StatusCode.PERMISSION_DENIED: "give the agent the key that was made for this name, or name it as the key does",
}


def greeted(config: AgentConfig) -> Iterator[Finding]:
    """gRPC, the credential, versions and clocks, as far as one after the other works."""
    endpoint = config.ledger.endpoint
    with channel(config.ledger) as connection:
        try:
            ask: Any = connection.unary_unary(_HEALTH)
            said = ask(b"", timeout=PATIENCE_S)
        except grpc.RpcError as error:
            yield _unanswered(endpoint, error)
            return
        if said != _SERVING:
            yield failure("reachability", f"{endpoint} says that it does not serve", "look at the ledger's log")
            return
        yield ok("reachability", f"{endpoint} serves gRPC")
        yield from _known(config, intake_pb2_grpc.IntakeStub(connection))


def _unanswered(endpoint: str, error: grpc.RpcError) -> Finding:
    if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return silent(endpoint)
    advice = "name the port that the ledger serves gRPC on, and look at what stands between"
    return failure("reachability", f"{endpoint} does not answer gRPC: {_reason(error)}", advice)


def _known(config: AgentConfig, stub: intake_pb2_grpc.IntakeStub) -> Iterator[Finding]:
    keys = config.ledger.key_file and KeyFiles(config.ledger.key_file, config.ledger.enrolment_token_file)
    key = keys.key() if keys else None
    if keys and key is None:
        yield warning(
            "credential", "the agent has no key yet: it enrols when it starts", "start it while the invitation is good"
        )
        return
    request = intake_pb2.GreetRequest(agent=config.agent, software=software())
    began_us = now_us()
    try:
        answer = stub.Greet(request, timeout=PATIENCE_S, metadata=bearer(key.text) if key else ())
    except grpc.RpcError as error:
        yield _refused(error)
        return
    middle_us = (began_us + now_us()) / 2
    as_whom = f"key {key.id}" if key else "nobody, which it allows"
    yield ok("credential", f"the ledger takes batches of {config.agent} as {as_whom}")
    yield from _understood(answer)
    yield clock_difference((middle_us - answer.time_us) / SECOND_US, "the ledger's")


def _understood(answer: intake_pb2.GreetResponse) -> Iterator[Finding]:
    versions = f"{software()} here and {answer.software} at the ledger"
    if SCHEMA_VERSION in answer.schemas:
        yield ok("versions", f"{versions} understand each other")
        return
    taken = ", ".join(map(str, answer.schemas)) or "none that it names"
    older = "agent" if min(answer.schemas, default=0) > SCHEMA_VERSION else "ledger"
    told = f"{versions}: batches are of schema {SCHEMA_VERSION}, and the ledger takes {taken}"
    yield failure("versions", told, f"upgrade the {older}")


def _refused(error: grpc.RpcError) -> Finding:
    status = error.code() if isinstance(error, grpc.Call) else None
    if status is not None and status in _REFUSED:
        return failure("credential", f"the ledger does not take this agent: {_reason(error)}", _REFUSED[status])
    if status is grpc.StatusCode.UNIMPLEMENTED:
        told = "the ledger is an older one, and does not say whether it knows this agent and what time it has"
        return warning("versions", told, "upgrade the ledger, or look at the agent's log")
    return failure("credential", f"the ledger could not be asked: {_reason(error)}", "look at the ledger's log")


def _reason(error: grpc.RpcError) -> str:
    if not isinstance(error, grpc.Call):
        return type(error).__name__
    return f"{error.code().name}: {' '.join((error.details() or '').split())}"
