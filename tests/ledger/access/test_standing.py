"""Standing: the fold of acts, in whatever pieces they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.access.acts import Act, act
from ledger.access.credentials import hash_of, make, remake
from ledger.access.standing import Standing

HOUR = 3_600_000_000


def issued(presented: Any, at_us: int = 0, expires_us: int = 0, **changes: Any) -> Act:
    details = {
        "kind": presented.kind,
        "name": "edge",
        "role": "admin",
        "tenants": ["acme"],
        "sources": [],
        "secret_hash": presented.secret_hash,
        "created_us": at_us,
        "expires_us": expires_us,
    }
    return act("access.issued", presented.id, "ada", **details | changes)


def enrolled(invitation: Any, key: Any, at_us: int) -> Act:
    return act(
        "access.enrolled", key.id, "edge", invitation=invitation.id, secret_hash=key.secret_hash, created_us=at_us
    )


def after(*acts: Act) -> Standing:
    return Standing().after(replace(each, position=place) for place, each in enumerate(acts, start=1))


def test_a_credential_is_found_by_its_secret_alone() -> None:
    token = make("token")
    standing = after(issued(token))
    found = standing.find(token, 0)
    assert found is not None and found.caller.role == "admin" and found.caller.credential_id == token.id
    assert standing.find(remake("token", token.id), 0) is None
    assert standing.find(make("token"), 0) is None
    assert standing.find(replace(token, kind="agent"), 0) is None
    assert token.secret_hash not in repr(standing)


def test_a_token_ends() -> None:
    token = make("token")
    standing = after(issued(token, expires_us=HOUR))
    credential = standing.credentials[token.id]
    assert [credential.state(at) for at in (0, HOUR - 1, HOUR, 2 * HOUR)] == ["valid", "valid", "expired", "expired"]
    gone = after(issued(token), act("access.revoked", token.id, "ada", revoked_us=5))
    assert gone.credentials[token.id].state(0) == "revoked"


def test_a_rotation_lets_the_old_secret_live_for_a_while() -> None:
    old = make("token")
    new = remake("token", old.id)
    rotated = act("access.rotated", old.id, "ada", secret_hash=new.secret_hash, rotated_us=HOUR, old_until_us=2 * HOUR)
    standing = after(issued(old), rotated)
    assert standing.find(new, 0) and standing.find(new, 9 * HOUR)
    assert standing.find(old, 2 * HOUR - 1)
    assert standing.find(old, 2 * HOUR) is None


def test_a_second_rotation_ends_the_first_secret_at_once() -> None:
    token = make("token")
    secrets = [token, remake("token", token.id), remake("token", token.id)]
    acts = [
        act("access.rotated", token.id, "ada", secret_hash=each.secret_hash, rotated_us=1, old_until_us=HOUR)
        for each in secrets[1:]
    ]
    standing = after(issued(token), *acts)
    assert [standing.find(each, 2) is not None for each in secrets] == [False, True, True]


def test_the_first_to_enrol_has_the_invitation() -> None:
    invitation, first, second = make("enrol"), make("agent"), make("agent")
    standing = after(
        issued(invitation, expires_us=HOUR), enrolled(invitation, first, 1), enrolled(invitation, second, 2)
    )
    assert set(standing.credentials) == {invitation.id, first.id}
    assert standing.credentials[invitation.id].state(3) == "used"
    key = standing.credentials[first.id]
    assert (key.kind, key.role, key.name, key.tenants.patterns, key.expires_us) == (
        "agent",
        "agent",
        "edge",
        ("acme",),
        0,
    )


def test_an_invitation_that_is_no_longer_good_gives_no_key() -> None:
    invitation, key, token = make("enrol"), make("agent"), make("token")
    late = after(issued(invitation, expires_us=HOUR), enrolled(invitation, key, HOUR))
    ended = act("access.revoked", invitation.id, "ada", revoked_us=1)
    revoked = after(issued(invitation), ended, enrolled(invitation, key, 2))
    of_token = after(issued(token), enrolled(token, key, 1))
    unheard = after(enrolled(invitation, key, 1))
    assert all(key.id not in standing.credentials for standing in (late, revoked, of_token, unheard))


def test_an_id_is_never_given_twice() -> None:
    token, invitation = make("token"), make("enrol")
    thief = replace(make("agent"), id=token.id)
    standing = after(issued(token), issued(remake("token", token.id), name="thief"), issued(invitation))
    standing = standing.after([replace(enrolled(invitation, thief, 1), position=9)])
    assert standing.credentials[token.id].name == "edge"
    assert standing.find(token, 0) is not None
    assert standing.find(thief, 0) is None
    assert standing.credentials[invitation.id].state(0) == "valid"


def test_nothing_follows_a_revocation() -> None:
    token = make("token")
    new = remake("token", token.id)
    standing = after(
        issued(token),
        act("access.revoked", token.id, "ada", revoked_us=5),
        act("access.rotated", token.id, "eve", secret_hash=new.secret_hash, rotated_us=6, old_until_us=6),
        act("access.revoked", token.id, "ada", revoked_us=7),
        Act("billing.finalized", token.id, "not even JSON", "bob"),
    )
    credential = standing.credentials[token.id]
    assert (credential.revoked_us, credential.rotated_us, credential.secret_hash) == (5, 0, hash_of(token.secret))


_TOKENS = [make("token") for _ in range(3)]
_INVITATIONS = [make("enrol") for _ in range(2)]
_KEYS = [make("agent") for _ in range(2)]
_ACTS = st.one_of(
    st.builds(lambda token, at: issued(token, at, at and at + 5), st.sampled_from(_TOKENS + _INVITATIONS), st.integers(0, 9)),
    st.builds(enrolled, st.sampled_from(_INVITATIONS + _TOKENS), st.sampled_from(_KEYS), st.integers(0, 9)),
    st.builds(lambda each, at: act("access.revoked", each.id, "a", revoked_us=at), st.sampled_from(_TOKENS + _KEYS), st.integers(1, 9)),
    st.builds(
        lambda each, at: act("access.rotated", each.id, "a", secret_hash=str(at), rotated_us=at, old_until_us=at),
        st.sampled_from(_TOKENS + _KEYS), st.integers(1, 9),
    ),
)  # fmt: skip


@given(st.lists(_ACTS, max_size=15), st.integers(0, 15))
def test_acts_give_the_same_in_whatever_pieces_they_are_read(acts: list[Act], cut: int) -> None:
    placed = [replace(each, position=2 * place + 1) for place, each in enumerate(acts)]
    whole, pieces = Standing().after(placed), Standing().after(placed[:cut]).after(placed[cut:])
    assert whole == pieces
    assert whole.position == (placed[-1].position if placed else 0)
    used = [each.used_by for each in whole.credentials.values() if each.used_by]
    assert len(set(used)) == len(used)
    assert {each.id for each in whole.credentials.values() if each.kind == "agent"} == set(used)
