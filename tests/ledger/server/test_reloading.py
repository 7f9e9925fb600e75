"""SIGHUP at the ledger: certificates and credentials at once, and of all else the log says that it waits."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger.access.credentials import make
from ledger.server.config import ConfigError, LedgerConfig
from ledger.server.reloading import reload, waits
from tests.ledger.guarded import bearer, guarded
from tests.ledger.running import loop


def test_a_new_admin_token_holds_at_once_and_the_rest_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fresh = make("token").text
    with guarded(tmp_path) as ledger, loop() as run:
        process = ledger.running.process
        config = process._config
        changed = config.model_copy(update={"http": "127.0.0.1:1", "store": "file:/elsewhere"})
        (tmp_path / "admin").write_text(fresh)
        run(reload(process, config, lambda: changed))
        assert ledger.access.List(_everything(), metadata=bearer(fresh)) is not None
        assert caplog.messages[-1] == "these settings have changed and wait for a restart: store, http"
        run(reload(process, config, lambda: config))
        assert caplog.messages[-1] == "certificates and credentials were read again; nothing else has changed"

        def bad() -> LedgerConfig:
            raise ConfigError("ledger.yaml: listne is not a key; did you mean listen?")

        run(reload(process, config, bad))
        assert "would not start again" in caplog.messages[-1] and "listne" in caplog.messages[-1]


def _everything() -> Any:
    from meterbook.ledger.v1 import access_pb2

    return access_pb2.ListRequest()


def test_what_waits_is_named_and_not_shown() -> None:
    hook = {"url": "https://example.com/hunter2", "secret_file": "s"}
    before, now = LedgerConfig(), LedgerConfig.model_validate({"entitlements": {"webhooks": [hook]}})
    assert waits(before, now) == ["entitlements"]


@pytest.mark.slow
def test_the_signal(tmp_path: Path) -> None:
    path = tmp_path / "ledger.yaml"
    settings = {"store": f"file:{tmp_path}/store", "listen": "127.0.0.1:0", "http": "127.0.0.1:0"}
    path.write_text(yaml.safe_dump(settings))
    command = [str(Path(sys.executable).with_name("meterbook")), "ledger", "serve", "--config", str(path)]
    with subprocess.Popen([*command, "--log-format", "text"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert next(line for line in process.stderr if " serving " in line)
        path.write_text(yaml.safe_dump(settings | {"queries": {"running_max": 1}}))
        process.send_signal(signal.SIGHUP)
        assert next(line for line in process.stderr if "wait for a restart: queries" in line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
