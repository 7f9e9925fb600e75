"""A ledger behind TLS that knows nobody but the bearer of an admin token in a file, and ways to call it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc

from ledger.access.credentials import Presented, make
from meterbook.intake.v1 import intake_pb2
from meterbook.intake.v1.intake_pb2_grpc import IntakeStub
from meterbook.ledger.v1 import access_pb2
from meterbook.ledger.v1.access_pb2_grpc import AccessStub
from meterbook.ledger.v1.admin_pb2_grpc import AdminStub
from meterbook.ledger.v1.query_pb2_grpc import QueryStub
from meterbook.wire.sections import Sections
from tests.fakes.certificates import Authority, Pair
from tests.ledger.batches import Sender
from tests.ledger.running import Running, run_cli, serving


def bearer(token: str) -> list[tuple[str, str]]:
    """The metadata that presents a credential; none for ""."""
    return [("authorization", f"Bearer {token}")] if token else []


def code(error: Any) -> str:
    """The status of a failed call."""
    return str(error.value.code().name)


@dataclass
class Guarded:
    """The ledger, and a channel to it that trusts its authority."""

    running: Running
    authority: Authority
    channel: grpc.Channel
    admin: str
    folder: Path
    senders: dict[str, Sender] = field(default_factory=dict)

    @property
    def access(self) -> AccessStub:
        return AccessStub(self.channel)

    @property
    def query(self) -> QueryStub:
        return QueryStub(self.channel)

    @property
    def admin_stub(self) -> AdminStub:
        return AdminStub(self.channel)

    @property
    def intake(self) -> IntakeStub:
        return IntakeStub(self.channel)

    @property
    def address(self) -> str:
        return self.running.address

    def token(self, role: str, *tenants: str, expires_s: int = 0) -> str:
        """A token, issued by the admin."""
        request = access_pb2.IssueTokenRequest(name=f"a-{role}", role=role, tenants=tenants, expires_s=expires_s)
        return str(self.access.IssueToken(request, metadata=bearer(self.admin)).token)

    def invitation(
        self, agent: str, tenants: Sequence[str] = ("*",), sources: Sequence[str] = ("*",), expires_s: int = 0
    ) -> str:
        """An invitation, made by the admin."""
        request = access_pb2.InviteAgentRequest(agent=agent, tenants=tenants, sources=sources, expires_s=expires_s)
        return str(self.access.InviteAgent(request, metadata=bearer(self.admin)).token)

    def enrol(self, agent: str, invitation: str, key: Presented | None = None) -> Presented:
        """The key of an agent that enrols."""
        key = key or make("agent")
        request = access_pb2.EnrolRequest(agent=agent, key_id=key.id, secret_hash=bytes.fromhex(key.secret_hash))
        self.access.Enrol(request, metadata=bearer(invitation))
        return key

    def agent(self, name: str, tenants: Sequence[str] = ("*",), sources: Sequence[str] = ("*",)) -> str:
        """The key of an enrolled agent."""
        return self.enrol(name, self.invitation(name, tenants, sources)).text

    def revoke(self, token: str) -> None:
        """End a credential."""
        request = access_pb2.RevokeRequest(id=token.split("_")[2])
        self.access.Revoke(request, metadata=bearer(self.admin))

    def send(
        self, token: str, *contents: Sections, agent: str = "edge", channel: grpc.Channel | None = None
    ) -> list[intake_pb2.ServerMessage]:
        """What the ledger answers to a hello and batches. The sender goes on only from what was acknowledged."""
        acked = self.senders.get(agent, Sender(agent))
        sender = Sender(agent, acked.epoch, acked.sequence, acked.hash)
        messages = [intake_pb2.ClientMessage(hello=sender.hello())]
        messages += [intake_pb2.ClientMessage(batch=sender.next(each)) for each in contents]
        stub = IntakeStub(channel or self.channel)
        answers = list(stub.Stream(iter(messages), metadata=bearer(token)))
        for answer in answers:
            if answer.WhichOneof("message") == "ack":
                acked = Sender(agent, acked.epoch, answer.ack.sequence, answer.ack.hash)
        self.senders[agent] = acked
        return answers

    def cli(self, token: str, *arguments: str) -> Any:
        """A command with a token in the environment."""
        with patch.dict(os.environ, {"METERBOOK_TOKEN": token}):
            return run_cli(*arguments, "--ledger", self.address, "--ca-file", str(self.authority.file))

    def metric(self, name: str, **labels: str) -> float:
        """One of the ledger's own metrics."""
        registry = self.running.process._metrics.registry
        return registry.get_sample_value(f"meterbook_ledger_{name}", labels) or 0.0


@contextmanager
def guarded(folder: Path, client_authority: Authority | None = None, **config: Any) -> Iterator[Guarded]:
    """A ledger behind TLS; with ``client_authority`` it wants client certificates, and the channel has one."""
    authority = Authority(folder / "tls")
    pair = authority.issue("ledger")
    admin = make("token").text
    (folder / "admin").write_text(admin)
    tls: dict[str, Any] = {"cert_file": pair.cert_file, "key_file": pair.key_file}
    client: Pair | None = None
    if client_authority is not None:
        tls["client_ca_file"] = client_authority.file
        client = client_authority.issue("operator")
    settings = {"tls": tls, "access": {"admin_token_file": folder / "admin"}} | config
    with serving(folder / "store", **settings) as running, opened(running.address, authority, client) as channel:
        yield Guarded(running, authority, channel, admin, folder)


@contextmanager
def opened(address: str, authority: Authority, client: Pair | None = None) -> Iterator[grpc.Channel]:
    """A channel that trusts an authority, and shows a client's certificate."""
    credentials = grpc.ssl_channel_credentials(
        authority.file.read_bytes(), client and client.key, client and client.cert
    )
    # Each channel a connection of its own, as those of different machines are.
    with grpc.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel
