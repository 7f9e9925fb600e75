"""The register: who is calling, on two replicas that share one journal, and from the file of the first token."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from ledger.access.caller import ANONYMOUS
from ledger.access.credentials import Presented, make, remake
from ledger.access.issuing import Issuer
from ledger.access.policy import Denied
from ledger.access.register import NotAuthenticated, NotKnown, Register
from ledger.journal.errors import JournalError
from meterbook.wire.instants import SECOND_US
from tests.fakes.acts import MemoryActs


class Replica:
    """A register and an issuer over acts that others may share; its clock stands still unless told."""

    def __init__(self, acts: MemoryActs, admin_token_file: Path | None = None) -> None:
        self.now_us = 1_000 * SECOND_US
        self.register = Register(acts, admin_token_file, lambda: self.now_us)
        self.issuer = Issuer(acts, self.register, lambda: self.now_us)

    def token(self, role: str = "operator", expires_s: int = 0) -> Presented:
        tenants = ["acme"] if role == "viewer" else []
        return self.issuer.issue_token(ANONYMOUS, "bob", role, tenants, expires_s)[1]


@pytest.fixture
def acts() -> MemoryActs:
    return MemoryActs()


@pytest.fixture
def replica(acts: MemoryActs) -> Replica:
    return Replica(acts)


def test_a_token_is_known_where_it_was_issued_at_once(replica: Replica) -> None:
    token = replica.token("viewer")
    caller = replica.register.session(token.text).caller
    assert (caller.role, caller.name, caller.tenants.patterns, caller.credential_id) == (
        "viewer",
        "bob",
        ("acme",),
        token.id,
    )
    assert str(caller) == f"viewer bob ({token.id})"
    assert token.secret not in repr(replica.register.session(token.text))


def test_it_says_when_nobody_can_be_let_in(acts: MemoryActs, tmp_path: Path) -> None:
    assert Replica(acts).register.locked_out is None
    file = tmp_path / "admin"
    replica = Replica(acts, file)
    replica.register.refresh()
    told = f"no credential in the book is valid, and admin_token_file {file} holds no token (No such file or directory)"
    assert told in (replica.register.locked_out or "")
    file.write_text("hunter2")
    replica.register.refresh()
    assert f"{file} holds no token (" in (replica.register.locked_out or "")
    file.write_text(make("token").text)
    replica.register.refresh()
    assert replica.register.locked_out is None
    # It has done its work, and may go, for as long as there is somebody else.
    token = replica.token("admin", expires_s=60)
    file.unlink()
    replica.register.refresh()
    assert replica.register.locked_out is None
    replica.now_us += 61 * SECOND_US
    assert replica.register.locked_out is not None and token.id not in replica.register.locked_out


def test_another_replica_knows_it_after_it_has_read_on(acts: MemoryActs, replica: Replica) -> None:
    other = Replica(acts)
    other.register.refresh()
    token = replica.token()
    with pytest.raises(NotKnown, match=f"credential {token.id} is not known here"):
        other.register.session(token.text)
    other.register.refresh()
    session = other.register.session(token.text)
    replica.issuer.revoke(ANONYMOUS, token.id)
    session.still_stands()
    other.register.refresh()
    with pytest.raises(Denied, match=f"credential {token.id} of bob was revoked"):
        session.still_stands()
    with pytest.raises(NotAuthenticated, match="was revoked: get another one"):
        other.register.session(token.text)


def test_a_rotated_secret_is_news_to_another_replica(acts: MemoryActs, replica: Replica) -> None:
    other = Replica(acts)
    token = replica.token()
    other.register.refresh()
    _, new = replica.issuer.rotate(ANONYMOUS, token.id, 60)
    with pytest.raises(NotKnown):
        other.register.session(new.text)
    other.register.refresh()
    session = other.register.session(token.text)
    other.register.session(new.text).still_stands()
    other.now_us += 61 * SECOND_US
    other.register.session(new.text).still_stands()
    with pytest.raises(Denied):
        session.still_stands()


def test_a_token_expires_without_anybody_reading(replica: Replica) -> None:
    token = replica.token(expires_s=60)
    session = replica.register.session(token.text)
    replica.now_us += 60 * SECOND_US
    with pytest.raises(Denied, match="has expired"):
        session.still_stands()


def test_the_secret_decides_and_no_message_holds_it(replica: Replica) -> None:
    token = replica.token()
    for wrong in (remake("token", token.id), make("token"), Presented("agent", token.id, token.secret)):
        with pytest.raises(NotKnown) as refused:
            replica.register.session(wrong.text)
        assert wrong.secret not in str(refused.value)
    with pytest.raises(NotAuthenticated, match="of the form") as refused_garbage:
        replica.register.session(f"Bearer {token.text}")
    assert token.secret not in str(refused_garbage.value)
    assert not isinstance(refused_garbage.value, NotKnown)


def test_those_who_wait_for_a_reading_share_it(acts: MemoryActs, replica: Replica) -> None:
    asked_s = time.monotonic()
    replica.register.catch_up(asked_s)
    replica.register.catch_up(asked_s)
    assert acts.reads == 1
    replica.register.catch_up(time.monotonic())
    assert acts.reads == 2
    replica.register.close()
    replica.register.refresh()
    assert acts.reads == 2


def test_what_was_known_holds_while_the_journal_cannot_be_read(acts: MemoryActs, replica: Replica) -> None:
    token = replica.token()
    acts.trouble = "no disk"
    with pytest.raises(JournalError):
        replica.register.refresh()
    replica.register.session(token.text).still_stands()


def test_the_first_token_stands_in_a_file(acts: MemoryActs, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, first, second = tmp_path / "admin", make("token"), make("token")
    replica = Replica(acts, file)
    replica.register.refresh()
    assert "holds no token, so none is accepted from it: No such file or directory" in caplog.text
    file.write_text(first.text + "\n")
    replica.register.refresh()
    session = replica.register.session(first.text)
    assert (session.caller.role, session.caller.name) == ("admin", "admin token file")
    with pytest.raises(NotKnown):
        replica.register.session(remake("token", first.id).text)
    file.write_text(second.text)
    os.utime(file, ns=(1, 1))
    replica.register.refresh()
    replica.register.session(second.text)
    with pytest.raises(Denied):
        session.still_stands()
    file.unlink()
    replica.register.refresh()
    with pytest.raises(NotKnown):
        replica.register.session(second.text)
    assert first.secret not in caplog.text and second.secret not in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"hunter2", b"\xff\xff", b"mb_agent_" + b"i" * 16 + b"_" + b"s" * 43, b"x" * 10_000]
)
def test_a_file_that_holds_no_token_lets_nobody_in(
    acts: MemoryActs, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    file, token = tmp_path / "admin", make("token")
    file.write_text(token.text)
    replica = Replica(acts, file)
    replica.register.refresh()
    file.write_bytes(content)
    os.utime(file, ns=(1, 1))
    with caplog.at_level(logging.WARNING):
        replica.register.refresh()
        replica.register.refresh()
    assert len(caplog.records) == 1 and "hunter2" not in caplog.text
    with pytest.raises(NotKnown):
        replica.register.session(token.text)
