"""Webhooks of a ledger that serves: signed, again until they arrive, once for each threshold, and again when somebody asks for it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ledger.server.config import ConfigError, load
from ledger.server.webhook import NoSecret, secrets
from meterbook.wire import instants
from tests.fakes.webhook import Answer, Receiver, receiving, secret, secret_file
from tests.ledger.entitled import DEFINITIONS, QUICK, check, eventually, notifications, used, webhook
from tests.ledger.running import Running, serving


def config(receiver: Receiver, folder: Path, **more: object) -> dict[str, object]:
    return QUICK | {"webhooks": [webhook(receiver, folder, **more)]}


def states(running: Running) -> list[tuple[str, int, int, str]]:
    return [
        (each.state, each.attempts, row.threshold, each.outcome)
        for row in notifications(running)
        for each in row.deliveries
    ]


def begin(running: Running, folder: Path) -> None:
    """Definitions, once the webhook has been opened: it is told of what comes after."""
    eventually(
        lambda: any(each["kind"] == "webhook.opened" for each in running.process._journal.view().acts().to_pylist())
    )
    running.apply(folder, DEFINITIONS)


def test_a_threshold_is_told_once(tmp_path: Path) -> None:
    with receiving() as receiver, serving(tmp_path / "store", entitlements=config(receiver, tmp_path)) as running:
        begin(running, tmp_path)
        running.send(used(1, 85))
        (first,) = receiver.wait(1)
        assert first.data["threshold"] == 80 and first.data["used"] == "85" and first.data["tenant"] == "acme"
        running.send(used(2, 30))
        running.send(used(3, 1))
        second = receiver.wait(2)[1]
        assert (second.data["threshold"], second.data["limit"], second.data["title"]) == (100, "100", "Calls")
        eventually(lambda: [each[0] for each in states(running)] == ["delivered", "delivered"])
        assert receiver.refused == [] and len(set(receiver.taken())) == len(receiver.taken()) == 2
        shown = running.cli("entitlement", "notifications")
        assert "100 %" in shown and "hook delivered" in shown
        by_id = {each.id for each in notifications(running)}
        assert by_id == set(receiver.taken())


def test_it_goes_on_after_a_restart_with_the_same_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.query.deliveries._FIRST_S", 1.0)
    with receiving() as receiver:
        receiver.answers = [Answer(500)]
        with serving(tmp_path / "store", entitlements=config(receiver, tmp_path)) as running:
            begin(running, tmp_path)
            running.send(used(1, 85))
            receiver.wait(1)
            eventually(lambda: states(running) == [("waiting", 1, 80, "status 500")])
        with serving(tmp_path / "store", entitlements=config(receiver, tmp_path)) as running:
            one, two = receiver.wait(2)
            assert (one.id, one.body) == (two.id, two.body) and two.at_s >= one.at_s
            eventually(lambda: states(running) == [("delivered", 2, 80, "status 204")])
            # Nothing is said a second time because another process looks at the same usage.
            running.send(used(2, 1), agent="another-agent")
            eventually(lambda: check(running, "acme", "api").entitlement.used == "86")
            assert len(notifications(running)) == 1
        assert len(receiver.received) == 2


def test_a_receiver_that_asks_for_time_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.query.deliveries._FIRST_S", 0.1)
    with receiving() as receiver:
        receiver.answers = [
            Answer(503, {"Retry-After": "2"}),
            Answer(429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        ]
        with serving(tmp_path / "store", entitlements=config(receiver, tmp_path)) as running:
            begin(running, tmp_path)
            running.send(used(1, 85))
            one, two, three = receiver.wait(3)
            assert two.at_s - one.at_s >= 2 and three.at_s - two.at_s <= 2
            eventually(lambda: states(running) == [("delivered", 3, 80, "status 204")])


@pytest.mark.slow
def test_a_receiver_that_wants_no_more_gets_no_more_until_a_replay(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.answers = [Answer(410)]
        with serving(tmp_path / "store", entitlements=config(receiver, tmp_path)) as running:
            begin(running, tmp_path)
            running.send(used(1, 85))
            receiver.wait(1)
            running.send(used(2, 30))
            eventually(lambda: len(notifications(running)) == 2)
            eventually(lambda: any(each[0] == "given up" for each in states(running)))
            assert len(receiver.received) == 1
            before = instants.text(instants.now_us() - instants.HOUR_US)
            told = running.cli("entitlement", "replay", "--since", before, "--author", "ada")
            assert told.startswith("2 notifications go out again to hook (position ")
            receiver.wait(3)
            eventually(lambda: [each[0] for each in states(running)] == ["delivered", "delivered"])
            assert sorted(receiver.taken()) == sorted(each.id for each in notifications(running))
            assert receiver.received[0].id in receiver.taken()


def test_a_replay_is_of_what_was_asked_for(tmp_path: Path) -> None:
    with receiving() as receiver, serving(tmp_path / "store", entitlements=config(receiver, tmp_path)) as running:
        begin(running, tmp_path)
        running.send(used(1, 85))
        (first,) = receiver.wait(1)
        eventually(lambda: [each[0] for each in states(running)] == ["delivered"])
        late = instants.text(instants.now_us())
        assert running.json("entitlement", "replay", "--since", late)["notifications"] == 0
        running.cli("entitlement", "replay", "--since", "2026-01-01", "--webhook", "hook")
        again = receiver.wait(2)[1]
        assert (again.id, again.body) == (first.id, first.body)
        assert "there is no webhook 'hoek'; did you mean 'hook'?" in running.error(
            "entitlement", "replay", "--since", late, "--webhook", "hoek"
        )


def test_secrets_are_exchanged_while_it_runs(tmp_path: Path) -> None:
    with (
        receiving(secret(1)) as receiver,
        serving(tmp_path / "store", entitlements=config(receiver, tmp_path)) as running,
    ):
        begin(running, tmp_path)
        secret_file(tmp_path, "# the next one", secret(2), secret(1))
        running.send(used(1, 85))
        receiver.wait(1)
        receiver.secrets = (secret(2),)
        running.send(used(2, 30))
        receiver.wait(2)
        assert receiver.refused == []


def test_what_goes_wrong_is_told_without_what_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ledger.query.deliveries._FIRST_S", 0.1)
    caplog.set_level(logging.INFO)
    with receiving() as receiver:
        receiver.answers = [Answer(302, {"Location": f"{receiver.url}/elsewhere"}), Answer(delay_s=3), Answer(500)]
        settings = config(receiver, tmp_path, timeout_s=0.5)
        with serving(tmp_path / "store", entitlements=settings) as running:
            begin(running, tmp_path)
            running.send(used(1, 85))
            receiver.wait(4)
            eventually(lambda: states(running) == [("delivered", 4, 80, "status 204")])
            assert set(receiver.paths) == {"/hooks/secret-path"}
            acts = str(running.process._journal.view().acts().to_pylist())
            registry = running.process._metrics.registry
            assert (
                registry.get_sample_value(
                    "meterbook_ledger_webhook_attempts_total", {"webhook": "hook", "result": "failed"}
                )
                == 3
            )
    for text in (acts, "\n".join(each.getMessage() for each in caplog.records)):
        assert "redirects are not followed" in text and "no answer within 0.5 s" in text
        assert "secret-path" not in text and "whsec_" not in text and secret(1).removeprefix("whsec_") not in text


def test_a_message_that_never_arrives_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.query.deliveries._FIRST_S", 0.1)
    with receiving() as receiver:
        receiver.answers = [Answer(500)] * 50
        with serving(tmp_path / "store", entitlements=config(receiver, tmp_path, give_up_s=1)) as running:
            begin(running, tmp_path)
            running.send(used(1, 85))
            eventually(lambda: [each[0] for each in states(running)] == ["given up"])
            assert 1 <= len(receiver.received) < 50


def test_nobody_there(tmp_path: Path) -> None:
    with receiving() as receiver:
        settings = config(receiver, tmp_path)
    with serving(tmp_path / "store", entitlements=settings) as running:
        begin(running, tmp_path)
        running.send(used(1, 85))
        eventually(lambda: states(running) == [("waiting", 1, 80, "no connection")])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"url": "http://example.com/x"}, "goes to another machine in plain text"),
        ({"url": "ftp://example.com/x"}, "does not begin with https:// and a host"),
        ({"url": "https://user:pw@example.com/x"}, "has a user or a fragment"),
        ({"url": "https://example.com", "events": ["other"]}, "threshold.reached"),
    ],
)
def test_what_is_wrong_with_a_configuration(more: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(None, {"entitlements": {"webhooks": [{"secret_file": "/x"} | more]}})
    assert message in str(error.value) and "pw" not in str(error.value)


def test_webhooks_have_names_of_their_own() -> None:
    one, two = (
        {"url": "https://example.com/a", "secret_file": "/x"},
        {"url": "https://example.com/b", "secret_file": "/x"},
    )
    named = load(None, {"entitlements": {"webhooks": [one, two]}}).entitlements.webhooks
    assert len({each.name for each in named}) == 2 and all(each.name.startswith("example.com-") for each in named)
    assert "example.com/a" not in repr(named)
    with pytest.raises(ConfigError, match="is there twice"):
        load(None, {"entitlements": {"webhooks": [one, one]}})


def test_a_secret_file_that_cannot_be_used_is_named_and_not_shown(tmp_path: Path) -> None:
    for text, message in [
        ("", "has no secret"),
        ("whsec_c2hvcnQ=", "line 1"),
        ("plain-text-secret", "line 1"),
        ("# x\nwhsec_###", "line 2"),
    ]:
        (tmp_path / "s").write_text(text)
        with pytest.raises(NoSecret, match=message) as error:
            secrets(tmp_path / "s")
        assert not text or ("c2hvcnQ" not in str(error.value) and "plain-text" not in str(error.value))
    with pytest.raises(NoSecret, match="cannot be read"):
        secrets(tmp_path / "none")
    assert len(secrets(secret_file(tmp_path, secret(1), secret(2)))) == 2
