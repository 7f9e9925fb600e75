"""Issuing: what is asked is checked, and an invitation makes one key, however often and wherever it is used."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

import pytest

from ledger.access.acts import Act
from ledger.access.caller import ANONYMOUS, Caller
from ledger.access.credentials import Presented, make
from ledger.access.issuing import BadRequest, Issuer
from ledger.access.policy import Denied
from ledger.access.register import NotAuthenticated, Register
from meterbook.wire.instants import SECOND_US
from tests.fakes.acts import MemoryActs


class Office:
    """An issuer and its register; more than one may share their acts."""

    def __init__(self, acts: MemoryActs) -> None:
        self.now_us = 10**15
        self.acts = acts
        self.register = Register(acts, clock_us=lambda: self.now_us)
        self.issuer = Issuer(acts, self.register, lambda: self.now_us)

    def invited(self, agent: str = "edge", expires_s: int = 0) -> Caller:
        _, presented = self.issuer.invite_agent(ANONYMOUS, agent, ["acme"], ["*"], expires_s)
        return self.register.session(presented.text).caller


def hashed(key: Presented) -> bytes:
    return hashlib.sha256(key.secret.encode()).digest()


@pytest.fixture
def office() -> Office:
    return Office(MemoryActs())


def test_no_act_holds_a_secret(office: Office) -> None:
    _, token = office.issuer.issue_token(ANONYMOUS, "bob", "admin", [], 0)
    _, rotated = office.issuer.rotate(ANONYMOUS, token.id, 0)
    invitation, key = office.invited(), make("agent")
    office.issuer.enrol(invitation, key.id, hashed(key))
    office.issuer.revoke(ANONYMOUS, token.id)
    written = office.acts.acts(0)
    assert [each.kind for each in written] == [
        "access.issued", "access.rotated", "access.issued", "access.enrolled", "access.revoked",
    ]  # fmt: skip
    assert [each.author for each in written][3] == f"enrol edge ({invitation.credential_id})"
    text = repr(written)
    assert not any(each.secret in text for each in (token, rotated, key))
    assert json.loads(written[0].document)["secret_hash"] == token.secret_hash


def test_enrolling_again_with_the_same_key_changes_nothing(office: Office) -> None:
    invitation, key = office.invited(), make("agent")
    first = office.issuer.enrol(invitation, key.id, hashed(key))
    acts = len(office.acts.acts(0))
    assert office.issuer.enrol(invitation, key.id, hashed(key)) == first
    assert len(office.acts.acts(0)) == acts
    assert office.register.session(key.text).caller.name == "edge"


def test_an_invitation_is_used_once(office: Office) -> None:
    invitation, key, thief = office.invited(), make("agent"), make("agent")
    office.issuer.enrol(invitation, key.id, hashed(key))
    for key_id, secret_hash in ((thief.id, hashed(thief)), (key.id, hashed(thief)), (thief.id, hashed(key))):
        with pytest.raises(Denied, match="for agent edge was used already"):
            office.issuer.enrol(invitation, key_id, secret_hash)
    with pytest.raises(NotAuthenticated):
        office.register.session(thief.text)


def test_a_second_invitation_does_not_take_the_key_of_the_first(office: Office) -> None:
    key = make("agent")
    office.issuer.enrol(office.invited("edge"), key.id, hashed(key))
    with pytest.raises(Denied):
        office.issuer.enrol(office.invited("core"), key.id, hashed(key))
    assert office.register.session(key.text).caller.name == "edge"


def test_a_key_cannot_take_the_id_of_another_credential(office: Office) -> None:
    _, token = office.issuer.issue_token(ANONYMOUS, "bob", "admin", [], 0)
    invitation, key = office.invited(), make("agent")
    with pytest.raises(Denied):
        office.issuer.enrol(invitation, token.id, hashed(key))
    assert office.register.session(token.text).caller.role == "admin"


def test_of_two_replicas_that_enrol_at_once_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = MemoryActs()
    offices = [Office(acts), Office(acts)]
    invitation = offices[0].invited()
    offices[1].register.refresh()
    keys = [make("agent"), make("agent")]
    both, write = threading.Barrier(2), acts.write

    def write_together(act: Act) -> int:
        both.wait(30)
        return write(act)

    monkeypatch.setattr(acts, "write", write_together)
    outcomes: list[object] = [None, None]

    def enrol(number: int) -> None:
        try:
            outcomes[number] = offices[number].issuer.enrol(invitation, keys[number].id, hashed(keys[number])).id
        except Denied:
            outcomes[number] = "denied"

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, outcomes)).count("denied") == 1
    winner = next(number for number in range(2) if outcomes[number] == keys[number].id)
    for office in offices:
        office.register.refresh()
        office.register.session(keys[winner].text)
        with pytest.raises(NotAuthenticated):
            office.register.session(keys[1 - winner].text)


def test_an_invitation_lives_for_an_hour(office: Office) -> None:
    credential, presented = office.issuer.invite_agent(ANONYMOUS, "edge", ["*"], ["*"], 0)
    assert credential.expires_us - credential.created_us == 3_600 * SECOND_US
    caller, key = office.register.session(presented.text).caller, make("agent")
    office.now_us += 3_600 * SECOND_US
    with pytest.raises(NotAuthenticated, match="has expired"):
        office.register.session(presented.text)
    # One that passed the door just before is too late all the same.
    with pytest.raises(Denied):
        office.issuer.enrol(caller, key.id, hashed(key))


def test_revoking_and_rotating(office: Office) -> None:
    credential, token = office.issuer.issue_token(ANONYMOUS, "bob", "operator", [], 60)
    assert office.issuer.revoke(ANONYMOUS, token.id) == office.issuer.revoke(ANONYMOUS, token.id)
    assert len(office.acts.acts(0)) == 2
    for reason, change in ((f"id: {token.id} is revoked", token.id), ("there is no credential 'x'", "x")):
        with pytest.raises(BadRequest, match=reason):
            office.issuer.rotate(ANONYMOUS, change, 0)
    with pytest.raises(BadRequest, match="there is no credential"):
        office.issuer.revoke(ANONYMOUS, "none")
    invitation = office.invited()
    with pytest.raises(BadRequest, match="is an invitation"):
        office.issuer.rotate(ANONYMOUS, invitation.credential_id, 0)
    assert {each.id for each in office.issuer.all()} == {credential.id, invitation.credential_id}


@pytest.mark.parametrize(
    ("field", "said", "changes"),
    [
        ("role", "'root' is not one of admin, operator, viewer", {"role": "root"}),
        ("role", "'agent' is not one of", {"role": "agent"}),
        ("tenants", "name at least one", {"role": "viewer"}),
        ("tenants", "names, not patterns", {"role": "viewer", "tenants": ["shop-*"]}),
        ("tenants", "the role admin sees every tenant", {"tenants": ["acme"]}),
        ("name", "printable", {"name": ""}),
        ("name", "printable", {"name": "a\x1b[31m"}),
        ("name", "printable", {"name": "a" * 201}),
        ("expires_s", "is not between 0", {"expires_s": -1}),
        ("expires_s", "is not between 0", {"expires_s": 1 << 62}),
    ],
)
def test_a_token_that_makes_no_sense(office: Office, field: str, said: str, changes: dict[str, Any]) -> None:
    asked = {"name": "bob", "role": "admin", "tenants": [], "expires_s": 0} | changes
    with pytest.raises(BadRequest, match=said) as refused:
        office.issuer.issue_token(ANONYMOUS, **asked)
    assert str(refused.value).startswith(f"{field}: ")
    assert office.acts.acts(0) == []


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("agent: 'import.edge' begins with import., as chains of operators do", {"agent": "import.edge"}),
        ("agent: 'Edge' is not a name", {"agent": "Edge"}),
        ("agent: 'record/x' is not a name", {"agent": "record/x"}),
        ("tenants: name at least one", {"tenants": []}),
        ("sources: name at least one", {"sources": []}),
        (r"sources: 'a\*b' is neither", {"sources": ["a*b"]}),
        ("tenants: '' is neither", {"tenants": [""]}),
        ("tenants: 1001 are more than 1000", {"tenants": [str(n) for n in range(1_001)]}),
    ],
)
def test_an_invitation_that_makes_no_sense(office: Office, said: str, changes: dict[str, Any]) -> None:
    asked = {"agent": "edge", "tenants": ["*"], "sources": ["*"], "expires_s": 0} | changes
    with pytest.raises(BadRequest, match=said):
        office.issuer.invite_agent(ANONYMOUS, **asked)


@pytest.mark.parametrize(
    ("key_id", "secret_hash"), [("short", b"x" * 32), ("a" * 16, b"x" * 31), ("a" * 17, b"x" * 32)]
)
def test_a_key_that_makes_no_sense(office: Office, key_id: str, secret_hash: bytes) -> None:
    with pytest.raises(BadRequest):
        office.issuer.enrol(office.invited(), key_id, secret_hash)
