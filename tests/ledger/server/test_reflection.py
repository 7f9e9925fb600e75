"""By reflection alone: a client that has none of the generated code asks the ledger, as grpcurl would.

What it knows of services and messages it has fetched over the wire, and it speaks JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.ledger.books import ODD, filled
from tests.ledger.guarded import bearer
from tests.ledger.query.test_scope import Viewer
from tests.ledger.running import Running, serving

QUERY = "meterbook.ledger.v1.Query"
METER = "kind: meter\nname: tried\nspec: {source: {event: sale}, aggregation: count, unit: u, window: day}\n"
DAY = {"start": "2026-03-10T00:00:00Z", "end": "2026-03-11T00:00:00Z"}


class Reflected:
    """A client of whatever the server says that it has."""

    def __init__(self, channel: grpc.Channel, token: str = "") -> None:
        self._channel, self._metadata = channel, bearer(token)
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self.database)

    def ask(self, service: str, method: str, **asked: Any) -> Any:
        """The answer of a method as JSON; of all its messages where it streams them."""
        found = self._pool.FindServiceByName(service).methods_by_name[method]
        request, response = (message_factory.GetMessageClass(each) for each in (found.input_type, found.output_type))
        make = self._channel.unary_stream if found.server_streaming else self._channel.unary_unary
        call = make(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        answer = call(json_format.ParseDict(asked, request()), metadata=self._metadata)
        if found.server_streaming:
            return [json_format.MessageToDict(each) for each in answer]
        return json_format.MessageToDict(answer)

    def query(self, method: str, **asked: Any) -> Any:
        return self.ask(QUERY, method, **asked)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("reflected")
    with serving(folder / "store") as found:
        filled(found, folder)
        yield found


@pytest.fixture(scope="module")
def client(running: Running) -> Reflected:
    return Reflected(running.channel)


def test_every_service_tells_of_its_methods_and_their_messages(client: Reflected) -> None:
    services = set(client.database.get_services())
    assert {
        QUERY, "meterbook.ledger.v1.Admin", "meterbook.ledger.v1.Access", "meterbook.ledger.v1.Proof",
        "meterbook.ledger.v1.Entitlements", "meterbook.intake.v1.Intake", "grpc.health.v1.Health",
    } <= services  # fmt: skip
    for name in services:
        methods = client._pool.FindServiceByName(name).methods
        assert methods and all(method.input_type.name and method.output_type.name for method in methods)


def test_usage(client: Reflected) -> None:
    rows = client.query("Usage", meters=["requests"], window="hour", range=DAY)["rows"]
    first = {row["tenant"]: row["quantity"] for row in rows if row["window"] == "2026-03-10T10:00:00Z"}
    assert first == {"acme": "756", ODD: "7.5"}
    assert rows[0]["dimensions"] == {"code": "200", "pod": "p-1"}


def test_coverage(client: Reflected) -> None:
    found = client.query("Coverage", sources=["prometheus/shop"], range=DAY)
    (row,) = found["rows"]
    assert row["source"] == "prometheus/shop" and "timeout after 5 s" in {gap.get("reason") for gap in row["gaps"]}


def test_trace_down_to_a_proof(client: Reflected) -> None:
    found = client.query("Trace", meter="requests", tenant="acme", at="2026-03-10T10:20:00Z")
    assert (found["quantity"], found["unit"]) == ("756", "requests")
    batch = found["batches"][0]
    proof = client.ask("meterbook.ledger.v1.Proof", "Leaf", position=batch["position"])
    assert proof["note"].startswith("meterbook/") and int(proof["size"]) >= int(batch["position"])


def test_try_a_meter(client: Reflected) -> None:
    rows = client.query("TryMeter", definition=METER, tenants=["acme"], range=DAY)["rows"]
    assert [(row["window"], row["quantity"]) for row in rows] == [("2026-03-10T00:00:00Z", "2")]


def test_a_stream_of_answers(client: Reflected) -> None:
    assert client.query("Verify")[-1]["verdict"]["holds"] is True


def test_what_is_wrong_is_told(client: Reflected) -> None:
    with pytest.raises(json_format.ParseError, match='no field named "meter"'):
        client.query("Usage", meter="requests")
    with pytest.raises(grpc.RpcError) as error:
        client.query("Usage", meters=["request"])
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    assert "did you mean 'requests'?" in error.value.details()  # type: ignore[attr-defined]


def test_a_tenant_asks_so_too(running: Running) -> None:
    acme = Reflected(running.channel, Viewer(running, "acme").token)
    assert acme.query("Trace", meter="requests", tenant="acme", at="2026-03-10T10:20:00Z")["quantity"] == "756"
    assert {row["tenant"] for row in acme.query("Usage")["rows"]} == {"acme"}
    with pytest.raises(grpc.RpcError) as error:
        acme.query("TryMeter", definition=METER)
    assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
