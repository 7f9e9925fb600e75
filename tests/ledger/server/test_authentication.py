"""The door: real servers with TLS on loopback, and callers of every kind, most of them up to no good."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ledger.access.credentials import make, remake
from ledger.access.policy import RULES
from ledger.server.authentication import FAILURES_MAX, Attempts, _address
from ledger.server.config import ConfigError, load
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import access_pb2, query_pb2
from tests.fakes.certificates import Authority
from tests.ledger.batches import Sender, content, coverage, event, minute
from tests.ledger.guarded import Guarded, bearer, code, guarded, opened
from tests.ledger.running import serving

FORBIDDEN = intake_pb2.REFUSAL_CODE_FORBIDDEN


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("guarded")) as found:
        yield found


@pytest.fixture(autouse=True)
def _unlimited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share an address and must not use up each other's failures."""
    if "failures" not in request.node.name:
        monkeypatch.setattr(Attempts, "take", lambda *_: True)


def status_of(ledger: Guarded, method: str, metadata: Any, channel: grpc.Channel | None = None) -> str:
    """How an empty request ends."""
    call = (channel or ledger.channel).unary_stream(method, lambda _: b"", lambda data: data)
    try:
        list(call(None, metadata=metadata, timeout=60))
    except grpc.RpcError as error:
        return str(error.code().name)  # type: ignore[attr-defined]
    return "OK"


def hello(agent: str) -> Iterator[intake_pb2.ClientMessage]:
    yield intake_pb2.ClientMessage(hello=intake_pb2.Hello(agent=agent, epoch=1, schema=1))


def until(holds: Callable[[], bool]) -> None:
    """Wait, not for ever, until something holds."""
    pause = threading.Event()
    for _ in range(600):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("it never came true")


def test_nobody_is_let_in_without_a_credential(ledger: Guarded) -> None:
    for method in RULES:
        assert status_of(ledger, method, None) == "UNAUTHENTICATED", method
    assert "METERBOOK_TOKEN" in ledger.cli("", "usage").stderr


def test_health_is_open_and_reflection_is_not(ledger: Guarded) -> None:
    health_pb2_grpc.HealthStub(ledger.channel).Check(health_pb2.HealthCheckRequest(service=""))
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(ledger.channel)
    with pytest.raises(grpc.RpcError) as error:
        list(stub.ServerReflectionInfo(iter([asked])))
    assert code(error) == "UNAUTHENTICATED"
    (answer,) = stub.ServerReflectionInfo(iter([asked]), metadata=bearer(ledger.token("viewer", "acme")))
    assert "meterbook.ledger.v1.Access" in {each.name for each in answer.list_services_response.service}


@pytest.mark.parametrize("role", ["admin", "operator", "viewer", "agent", "enrol"])
def test_each_role_is_kept_to_what_it_may_call(ledger: Guarded, role: str) -> None:
    made = {
        "agent": lambda: ledger.agent("matrix"),
        "enrol": lambda: ledger.invitation("matrix"),
        "viewer": lambda: ledger.token("viewer", "acme"),
    }
    token = made.get(role, lambda: ledger.token(role))()
    for method, rule in RULES.items():
        # An empty request names no agent and no tenant, which these may not leave out.
        names_nobody = role in ("agent", "enrol") or (
            role == "viewer" and method.endswith(("Query/Invoice", "Trace", "Entitlements/Check", "Entitlements/List"))
        )
        denied = status_of(ledger, method, bearer(token)) == "PERMISSION_DENIED"
        if role not in rule.roles:
            assert denied, method
        elif not names_nobody:
            assert not denied, method


def test_a_method_that_does_not_exist_is_not_there(ledger: Guarded) -> None:
    assert status_of(ledger, "/meterbook.ledger.v1.Query/Secrets", bearer(ledger.admin)) == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Basic YWRtaW46YWRtaW4=")],
        [("authorization", "Bearer " + "x" * 6_000)],
        [("authorization-bin", b"\x00\xff" * 40)],
        [("authorization", make("token").text)],
        [("authorization", f"Bearer {make('token').text}")] * 2,
        [("authorization", f"Bearer {make('token').text}")],
    ],
)
def test_garbage_is_nobodys_credential(ledger: Guarded, metadata: Any) -> None:
    assert status_of(ledger, "/meterbook.ledger.v1.Query/Usage", metadata) == "UNAUTHENTICATED"


def test_a_megabyte_of_metadata_never_reaches_a_handler(ledger: Guarded) -> None:
    metadata = [("authorization", "Bearer " + "x" * (1 << 20))]
    assert status_of(ledger, "/meterbook.ledger.v1.Query/Usage", metadata) == "RESOURCE_EXHAUSTED"
    assert status_of(ledger, "/meterbook.ledger.v1.Query/Usage", bearer(ledger.admin)) == "OK"


def test_secrets_stand_in_no_log_no_error_and_no_metric(ledger: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    token, wrong = ledger.token("operator"), make("token").text
    with caplog.at_level(logging.DEBUG):
        said = [ledger.cli(each, "access", "list").stderr for each in (token, wrong, f"{token}x", f"Bearer {token}")]
        said.append(ledger.cli(token, "usage", "--json").output)
    said += [
        caplog.text,
        repr(vars(ledger.running.process)),
        ledger.cli(ledger.admin, "access", "list", "--json").stdout,
    ]
    assert all(each for each in said)
    for secret in (token.split("_")[3], wrong.split("_")[3], ledger.admin.split("_")[3]):
        assert not any(secret in each for each in said)


def test_an_agent_writes_as_itself_and_nobody_else(ledger: Guarded) -> None:
    token = ledger.agent("edge")
    (refused,) = list(ledger.intake.Stream(hello("core"), metadata=bearer(token)))
    assert refused.refusal.code == FORBIDDEN
    assert "agent edge" in refused.refusal.message and "not for 'core'" in refused.refusal.message
    one = intake_pb2.Event(source="s", id="1", type="t", time="2026-01-01T00:00:00Z")
    with pytest.raises(grpc.RpcError) as error:
        ledger.intake.Record(intake_pb2.RecordRequest(sender="core", events=[one]), metadata=bearer(token))
    assert code(error) == "PERMISSION_DENIED"
    assert ledger.intake.Record(intake_pb2.RecordRequest(sender="edge", events=[one]), metadata=bearer(token)).position
    resume, *acks = ledger.send(token, minute(1), minute(2))
    # An ack stands for every batch up to its own: two that became durable together may share one.
    assert resume.WhichOneof("message") == "resume"
    assert {each.WhichOneof("message") for each in acks} == {"ack"} and acks[
        -1
    ].ack.sequence == resume.resume.sequence + 2


def test_what_was_not_granted_stops_the_chain_and_nothing_is_lost(ledger: Guarded) -> None:
    token = ledger.agent("limited", ["acme"], ["logs*"])
    good, bad = content(events=[event(1, origin="logs")]), content(events=[event(2, origin="logs", tenant="bcorp")])
    answers = ledger.send(token, good, bad, good, agent="limited")
    assert [each.WhichOneof("message") for each in answers] == ["resume", "ack", "refusal"]
    assert (answers[2].refusal.sequence, answers[2].refusal.code) == (2, FORBIDDEN)
    assert "tenant 'bcorp', which events.tenant has" in answers[2].refusal.message
    assert ledger.metric("refusals_total", code="forbidden") >= 1
    (resume,) = ledger.send(token, agent="limited")
    assert resume.resume.sequence == 1
    assert ledger.send(token, content(coverage=[coverage(0)]), agent="limited")[1].refusal.code == FORBIDDEN
    wider = ledger.agent("limited", ["*"], ["*"])
    assert [each.WhichOneof("message") for each in ledger.send(wider, bad, agent="limited")] == ["resume", "ack"]
    shared = content(events=[event(7, origin="logs", tenant="@unassigned")])
    assert ledger.send(token, shared, agent="limited")[1].WhichOneof("message") == "ack"
    assert ledger.intake.Record(
        intake_pb2.RecordRequest(
            sender="limited",
            events=[intake_pb2.Event(source="s", id="2", type="t", tenant="acme", time="2026-01-01T00:00:00Z")],
        ),
        metadata=bearer(token),
    ).position


def test_an_invitation_is_good_for_one_agent_once_and_for_a_while(ledger: Guarded) -> None:
    invitation = ledger.invitation("fresh")
    with pytest.raises(grpc.RpcError) as error:
        ledger.enrol("other", invitation)
    assert code(error) == "PERMISSION_DENIED"
    key = ledger.enrol("fresh", invitation)
    ledger.enrol("fresh", invitation, key)
    with pytest.raises(grpc.RpcError) as error:
        ledger.enrol("fresh", invitation)
    assert code(error) == "PERMISSION_DENIED" and "was used already" in error.value.details()  # type: ignore[attr-defined]
    short = ledger.invitation("fresh", expires_s=1)

    def has_expired() -> bool:
        return status_of(ledger, "/meterbook.ledger.v1.Access/Enrol", bearer(short)) == "UNAUTHENTICATED"

    until(has_expired)
    revoked = ledger.invitation("fresh")
    ledger.revoke(revoked)
    for token in (short, revoked, ledger.token("admin"), key.text):
        with pytest.raises(grpc.RpcError) as error:
            ledger.enrol("fresh", token)
        assert code(error) in ("UNAUTHENTICATED", "PERMISSION_DENIED")


def test_an_open_stream_ends_with_its_key(ledger: Guarded) -> None:
    token = ledger.agent("streaming")
    sender, may_go_on = Sender("streaming"), threading.Event()

    def messages() -> Iterator[intake_pb2.ClientMessage]:
        yield intake_pb2.ClientMessage(hello=sender.hello())
        yield intake_pb2.ClientMessage(batch=sender.next())
        may_go_on.wait(30)
        yield intake_pb2.ClientMessage(batch=sender.next())

    answers = ledger.intake.Stream(messages(), metadata=bearer(token))
    assert [next(answers).WhichOneof("message") for _ in range(2)] == ["resume", "ack"]
    ledger.revoke(token)
    may_go_on.set()
    refusal = next(answers).refusal
    assert (refusal.sequence, refusal.code) == (2, FORBIDDEN) and "was revoked" in refusal.message
    with pytest.raises(grpc.RpcError) as error:
        ledger.send(token, agent="streaming")
    assert code(error) == "UNAUTHENTICATED"


def test_rotating_and_revoking_over_the_wire(ledger: Guarded) -> None:
    token = ledger.token("operator")
    usage = "/meterbook.ledger.v1.Query/Usage"
    request = access_pb2.RotateRequest(id=token.split("_")[2], overlap_s=3_600)
    second = ledger.access.Rotate(request, metadata=bearer(ledger.admin)).token
    assert status_of(ledger, usage, bearer(token)) == status_of(ledger, usage, bearer(second)) == "OK"
    request.overlap_s = 0
    third = ledger.access.Rotate(request, metadata=bearer(ledger.admin)).token
    assert [status_of(ledger, usage, bearer(each)) for each in (token, second, third)] == [
        "UNAUTHENTICATED", "UNAUTHENTICATED", "OK",
    ]  # fmt: skip
    ledger.revoke(third)
    assert status_of(ledger, usage, bearer(third)) == "UNAUTHENTICATED"
    rows = ledger.access.List(access_pb2.ListRequest(), metadata=bearer(ledger.admin)).rows
    (row,) = [each for each in rows if each.id == third.split("_")[2]]
    assert (row.state, row.role, row.kind, bool(row.revoked), bool(row.rotated)) == (
        "revoked",
        "operator",
        "token",
        True,
        True,
    )


def test_the_admin_token_file_is_read_again(tmp_path: Path) -> None:
    with guarded(tmp_path) as ledger:
        before, after = ledger.admin, make("token").text
        (tmp_path / "new").write_text(after)
        (tmp_path / "new").rename(tmp_path / "admin")
        usage = "/meterbook.ledger.v1.Query/Usage"
        assert status_of(ledger, usage, bearer(after)) == "OK"
        assert status_of(ledger, usage, bearer(before)) == "UNAUTHENTICATED"
        (tmp_path / "admin").unlink()
        until(lambda: status_of(ledger, usage, bearer(after)) == "UNAUTHENTICATED")


def test_a_ledger_that_nobody_can_log_in_to_is_not_ready(tmp_path: Path) -> None:
    with guarded(tmp_path) as ledger:
        (tmp_path / "admin").unlink()
        until(lambda: ledger.metric("ready") == 0)
        (tmp_path / "admin").write_text(ledger.admin)
        until(lambda: ledger.metric("ready") == 1)
        ledger.token("operator")
        (tmp_path / "admin").unlink()
        usage = "/meterbook.ledger.v1.Query/Usage"
        until(lambda: status_of(ledger, usage, bearer(ledger.admin)) == "UNAUTHENTICATED")
        assert ledger.metric("ready") == 1


def test_failures_are_counted_and_limited_and_hold_nobody_else_back(tmp_path: Path) -> None:
    with guarded(tmp_path) as ledger:
        usage = "/meterbook.ledger.v1.Query/Usage"
        known = ledger.token("operator")
        seen = [status_of(ledger, usage, bearer(make("token").text)) for _ in range(FAILURES_MAX + 20)]
        assert seen[:FAILURES_MAX] == ["UNAUTHENTICATED"] * FAILURES_MAX
        assert "RESOURCE_EXHAUSTED" in seen[FAILURES_MAX:]
        assert status_of(ledger, usage, bearer(known)) == "OK"
        assert ledger.metric("access_refusals_total", reason="unauthenticated") == seen.count("UNAUTHENTICATED")
        assert ledger.metric("access_refusals_total", reason="limited") == seen.count("RESOURCE_EXHAUSTED")
        assert status_of(ledger, "/meterbook.ledger.v1.Access/List", bearer(known)) == "PERMISSION_DENIED"
        assert ledger.metric("access_refusals_total", reason="denied") == 1


def test_failures_come_back_with_time() -> None:
    now_s = [0.0]
    attempts = Attempts(lambda: now_s[0])
    assert [attempts.take("a") for _ in range(FAILURES_MAX + 1)] == [True] * FAILURES_MAX + [False]
    assert attempts.take("b")
    now_s[0] += 1
    assert [attempts.take("a") for _ in range(2)] == [True, False]
    now_s[0] += 1e6
    assert [attempts.take("a") for _ in range(FAILURES_MAX + 1)] == [True] * FAILURES_MAX + [False]
    for number in range(20_000):
        attempts.take(str(number))
    assert len(attempts._left) <= 10_000


def test_whom_failures_are_counted_for() -> None:
    assert _address("ipv4:10.1.2.3:4711") == _address("ipv4:10.1.2.3:4712") == "10.1.2.3"
    assert _address("ipv6:%5B2001:db8::1%5D:1") == _address("ipv6:[2001:db8::2]:2") == "2001:db8::/64"
    assert _address("unix:/run/x") == "unix:/run/x"


def test_a_client_certificate_is_demanded_and_binds_its_agent(tmp_path: Path) -> None:
    clients, strangers = Authority(tmp_path / "clients"), Authority(tmp_path / "strangers")
    usage = "/meterbook.ledger.v1.Query/Usage"
    (tmp_path / "ledger").mkdir()
    with guarded(tmp_path / "ledger", clients) as ledger:
        edge, core = ledger.agent("edge"), ledger.agent("core")

        def outcome(client: Any, token: str, agent: str = "edge", authority: Authority = ledger.authority) -> str:
            with opened(ledger.address, authority, client) as channel:
                try:
                    return str(ledger.send(token, agent=agent, channel=channel)[0].WhichOneof("message"))
                except grpc.RpcError as error:
                    return str(error.code().name)  # type: ignore[attr-defined]

        mine = clients.issue("agent:edge")
        assert outcome(mine, edge) == "resume"
        assert outcome(clients.issue("anyone"), edge) == "resume"
        assert outcome(mine, core, "core") == "PERMISSION_DENIED"
        assert outcome(mine, "") == "UNAUTHENTICATED"
        assert outcome(None, edge) == "UNAVAILABLE"
        assert outcome(strangers.issue("agent:edge"), edge) == "UNAVAILABLE"
        assert outcome(clients.issue("agent:edge", valid_days=-1, file="expired"), edge) == "UNAVAILABLE"
        assert outcome(mine, edge, authority=strangers) == "UNAVAILABLE"
        with opened(ledger.address, ledger.authority, mine) as channel:
            assert status_of(ledger, usage, bearer(ledger.admin), channel) == "PERMISSION_DENIED"
            stub = type(ledger.access)(channel)
            key = make("agent")
            request = access_pb2.EnrolRequest(agent="core", key_id=key.id, secret_hash=bytes.fromhex(key.secret_hash))
            with pytest.raises(grpc.RpcError) as error:
                stub.Enrol(request, metadata=bearer(ledger.invitation("core")))
            assert code(error) == "PERMISSION_DENIED" and "agent 'edge'" in error.value.details()  # type: ignore[attr-defined]


def test_a_replayed_hello_on_another_connection_is_still_that_agents(ledger: Guarded) -> None:
    """Without the credential it is nobody's; with it, it can only repeat what the chain holds."""
    token = ledger.agent("replayed")
    assert ledger.send(token, minute(1), agent="replayed")[1].WhichOneof("message") == "ack"
    with opened(ledger.address, ledger.authority) as channel:
        with pytest.raises(grpc.RpcError) as error:
            list(type(ledger.intake)(channel).Stream(hello("replayed")))
        assert code(error) == "UNAUTHENTICATED"
        (resume,) = ledger.send(token, agent="replayed", channel=channel)
        assert resume.resume.sequence == 1


def test_on_loopback_without_tls_a_first_try_needs_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        assert "as of position" in running.cli("agents")
        wrong = remake("token", make("token").id).text
        with pytest.raises(grpc.RpcError) as error:
            running.query.Usage(query_pb2.UsageRequest(), metadata=bearer(wrong))
        assert code(error) == "UNAUTHENTICATED", "whoever shows a credential is asked for a good one"
    with serving(tmp_path / "store", access={"anonymous": "none"}) as running:
        assert "METERBOOK_TOKEN" in running.error("agents")


@pytest.mark.parametrize(
    ("changes", "allows"),
    [
        ({}, True),
        ({"listen": "[::1]:1"}, True),
        ({"access": {"anonymous": "none"}}, False),
        ({"tls": {"cert_file": "a", "key_file": "b"}}, False),
        ({"tls": {"cert_file": "a", "key_file": "b"}, "access": {"anonymous": "admin"}}, True),
        ({"listen": "0.0.0.0:1", "insecure": True}, False),
        ({"listen": "0.0.0.0:1", "insecure": True, "access": {"anonymous": "admin"}}, True),
        ({"listen": "0.0.0.0:1", "tls": {"cert_file": "a", "key_file": "b"}}, False),
    ],
)
def test_who_is_anonymous_by_default(changes: dict[str, Any], allows: bool) -> None:
    assert load(None, changes).allows_anonymous is allows


def test_anonymous_admins_for_everybody_have_to_be_said_twice() -> None:
    tls = {"cert_file": "a", "key_file": "b"}
    with pytest.raises(ConfigError, match=r"access.anonymous admin with listen '0.0.0.0:1' would let everybody"):
        load(None, {"listen": "0.0.0.0:1", "tls": tls, "access": {"anonymous": "admin"}})
