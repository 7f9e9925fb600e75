"""A configuration is right, or every fault in it is told in a sentence that says what to change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config import AgentConfig, LedgerConfig, TlsConfig, load
from agent.errors import ConfigError
from tests.fakes.source import FakeConfig

Write = Callable[..., Path]


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert all(fault.startswith(f"{path}: ") and "\n" not in fault for fault in raised.value.faults)
    return [fault.removeprefix(f"{path}: ") for fault in raised.value.faults]


def test_the_smallest_configuration(config_file: Write) -> None:
    config = load(config_file())
    assert isinstance(config, AgentConfig)
    (source,) = config.sources
    assert isinstance(source, FakeConfig)
    assert source.interval_s == 15
    assert config.spool.bytes_max == 1 << 30
    assert config.spool.when_full == "refuse_new"
    assert config.ledger.plaintext


CASES = [
    ("intervall_s: 5", "sources.0.intervall_s: no such key: did you mean 'interval_s'?"),
    ("zzz: 5", "sources.0.zzz: no such key: there is kind, interval_s, timeout_s, name, series_count"),
    ("interval_s: -3", "sources.0.interval_s: -3 must be greater than 0"),
    ("interval_s: often", "sources.0.interval_s: 'often' must be a valid number"),
    ("timeout_s: 20", "sources.0: timeout_s 20 must be below interval_s 15"),
    ("headers: {a: many}", "sources.0.headers.a: 'many' must be a valid integer"),
    ("name: {a: 1}", "sources.0.name: a mapping must be a valid string"),
    ("name: [1]", "sources.0.name: a list must be a valid string"),
]


@pytest.mark.parametrize(("line", "sentence"), CASES)
def test_a_fault_of_a_source(config_file: Write, line: str, sentence: str) -> None:
    (fault,) = faults(config_file(f"sources:\n  - kind: fake\n    {line}\n"))
    assert fault.startswith(sentence)


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ("sources: []\n", "sources: a list with at least one source is needed"),
        ("", "sources: a list with at least one source is needed"),
        ("sources:\n  - fakes\n", "sources.0: 'fakes' must be a mapping with a kind"),
        (
            "sources:\n  - {}\n",
            "sources.0.kind: is required: there is aws, aws_cloudwatch, aws_cost_explorer, aws_prices, bills, fake",
        ),
        ("sources:\n  - kind: 3\n", "sources.0.kind: 3 must be text"),
        (
            "sources:\n  - kind: promethius\n",
            "sources.0.kind: 'promethius' is not a collector: did you mean 'prometheus'?",
        ),
    ],
)
def test_a_fault_of_the_sources(config_file: Write, sources: str, sentence: str) -> None:
    (fault,) = faults(config_file(sources))
    assert fault.startswith(sentence)


def test_a_kind_whose_library_is_missing(config_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("collector.registry", fromlist=["_"])._PLUGINS, "odd", "no.such.module")
    (fault,) = faults(config_file("sources:\n  - kind: odd\n"))
    assert fault.startswith("sources.0.kind: 'odd' cannot be loaded, a library is not installed")


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ("", "agent: is required and not given"),
        ("agent: Edge_1\n", "agent: 'Edge_1' is no agent name"),
        ("agent: edge-1\nspol: {}\n", "spol: no such key: did you mean 'spool'?"),
        ("agent: edge-1\nschedule: {threads_max: 0}\n", "schedule.threads_max: 0 must be greater than or equal to 1"),
        ("agent: edge-1\ntags: {rules: [{form: source}]}\n", "tags.rules.0.form: no such key: did you mean 'from'?"),
        ("agent: edge-1\ntags: {rules: [{from: lable:x}]}\n", "tags.rules.0.from: 'lable:x' is not a place"),
        ("agent: edge-1\ntags: {rules: [{from: label}]}\n", "tags.rules.0.from: 'label' is not a place"),
        ("agent: edge-1\ntags: {rules: [{from: source, match: '('}]}\n", "tags.rules.0.match: '(' is not a regular"),
        ("agent: edge-1\ntags: {rules: [{tenant: '@all'}]}\n", "tags.rules.0.tenant: '@all' is no tenant"),
        ("agent: edge-1\ntags: {rules: [{when: {type: x}}]}\n", "tags.rules.0: a rule needs 'from'"),
        ("agent: edge-1\ntags: {rules: [{from: type, table: {a: '@b'}}]}\n", "tags.rules.0.table: '@b' is no tenant"),
        ("agent: edge-1\ntags: {rules: [{tenant: a, table: {a: b}}]}\n", "tags.rules.0: 'table' needs 'from'"),
        ("agent: edge-1\ntags: {rules: [{tenant: a, match: x}]}\n", "tags.rules.0: 'match' needs 'from'"),
        ("agent: edge-1\ntags: {rules: [{tenant: a, when: {type: '['}}]}\n", "tags.rules.0.when.type: '[' is not a"),
    ],
)
def test_a_fault_elsewhere(config_file: Write, head: str, sentence: str) -> None:
    found = faults(config_file(head=head))
    assert found[0].startswith(sentence)


def test_all_faults_are_told_at_once(config_file: Write) -> None:
    found = faults(config_file("sources:\n  - kind: fake\n    a: 1\n  - kind: fake\n    b: 2\n", head="agent: ''\n"))
    assert [fault.split(":")[0] for fault in found] == ["agent", "sources.0.a", "sources.1.b"]


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("password: [hunter2]", "hunter2"),
        ("headers: {authorization: hunter2}", "hunter2"),
        ("pasword: hunter2", "hunter2"),
        ("interval_s: https://u:hunter2@host/", "hunter2"),
    ],
)
def test_secrets_are_not_repeated(config_file: Write, line: str, secret: str) -> None:
    found = faults(config_file(f"sources:\n  - kind: fake\n    {line}\n"))
    assert secret not in "".join(found)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("agent: [\n", "line 2, column 1: "),
        ("agent: a\nagent: b\n", "line 2, column 1: the key 'agent' is given twice"),
        ("- a\n", "must hold a mapping"),
        ("agent: \x07\n", "is not YAML: "),
    ],
)
def test_what_is_not_yaml(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(text, encoding="utf-8")
    assert faults(path)[0].startswith(sentence)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert faults(tmp_path / "none.yaml") == ["cannot be read: No such file or directory"]
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"agent: \xff")
    assert faults(binary) == ["is not UTF-8 text at byte 7"]


@pytest.mark.parametrize(
    ("endpoint", "tls", "plaintext"),
    [
        ("127.0.0.1:1", {}, True),
        ("[::1]:1", {}, True),
        ("localhost:1", {}, True),
        ("localhost:1", {"ca_file": "/ca.pem"}, False),
        ("ledger.example:1", {}, False),
        ("10.0.0.1:1", {}, False),
        ("10.0.0.1:1", {"insecure": True}, True),
        ("localhost:1", {"server_name": "ledger.example"}, False),
    ],
)
def test_only_this_machine_is_spoken_to_in_the_clear(endpoint: str, tls: dict[str, object], plaintext: bool) -> None:
    config = LedgerConfig(endpoint=endpoint, tls=TlsConfig.model_validate(tls))
    assert config.plaintext is plaintext


def test_insecure_and_authorities_exclude_each_other(config_file: Write) -> None:
    path = config_file()
    text = path.read_text().replace("127.0.0.1:1\n", "h:1\n  tls: {insecure: true, ca_file: /ca.pem}\n", 1)
    path.write_text(text)
    assert faults(path) == ["ledger.tls: ca_file and insecure: true exclude each other: remove one of them"]


def test_a_name_in_a_certificate_takes_encryption(config_file: Write) -> None:
    path = config_file()
    path.write_text(path.read_text().replace("127.0.0.1:1\n", "h:1\n  tls: {insecure: true, server_name: l}\n", 1))
    assert faults(path) == ["ledger.tls: server_name and insecure: true exclude each other: remove one of them"]


@pytest.mark.parametrize("endpoint", ["ledger", "ledger:", ":1", "ledger:http", "ledger:70000", "https://ledger:9460"])
def test_an_endpoint_is_host_and_port(config_file: Write, endpoint: str) -> None:
    path = config_file()
    path.write_text(path.read_text().replace("endpoint: 127.0.0.1:1\n", f"endpoint: '{endpoint}'\n"))
    assert faults(path)[0].startswith(f"ledger.endpoint: address {endpoint!r} is not host:port")
