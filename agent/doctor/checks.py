"""What is looked at on the agent's side, in the order in which one would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.config import AgentConfig
from agent.configured import Configured
from agent.doctor.greeting import greeted
from agent.doctor.sources import sources
from agent.errors import AgentError, SpoolUnusable
from agent.spool.looking import looked
from meterbook.doctor import certificates, machine
from meterbook.doctor.findings import Check, Finding, failure, ok, warning
from meterbook.doctor.reaching import Trust, reached
from meterbook.health import split_address


def findings_of(asked: Configured) -> tuple[list[Finding], Sequence[tuple[str, Check]]]:
    """What is to be said of the configuration in a file, and the checks that it makes possible."""
    try:
        config = asked.load()
    except AgentError as error:
        faults = [failure("configuration", each, "mend the file") for each in str(error).splitlines()]
        return faults, [("versions", machine.versions)]
    told = (
        f"{asked.path} is valid: agent {config.agent}, {len(config.sources)} sources, ledger {config.ledger.endpoint}"
    )
    return [ok("configuration", told)], [
        ("versions", machine.versions),
        ("permissions", lambda: _files(config)),
        ("spool", lambda: _spool(config)),
        ("disk", lambda: _disk(config)),
        ("clock", machine.kept_clock),
        ("certificates", lambda: _certificates(config)),
        ("reachability", lambda: _ledger(config)),
        ("sources", lambda: sources(config)),
    ]


def _files(config: AgentConfig) -> Iterator[Finding]:
    yield from machine.writable("permissions", "spool.path", config.spool.path.parent)
    key, invitation = config.ledger.key_file, config.ledger.enrolment_token_file
    if key is None:
        return
    if key.exists():
        yield from machine.readable("permissions", "ledger.key_file", key, is_secret=True)
    elif invitation is None:
        told = f"ledger.key_file {key} is not there, and ledger.enrolment_token_file is not given"
        yield failure("permissions", told, "have an admin run 'meterbook access invite-agent', and name the file")
    else:
        yield from machine.writable("permissions", "ledger.key_file", key.parent)
        yield from machine.readable("permissions", "ledger.enrolment_token_file", invitation, is_secret=True)


def _spool(config: AgentConfig) -> Iterator[Finding]:
    try:
        found = looked(config.spool.path, config.agent)
    except SpoolUnusable as error:
        yield failure("spool", str(error), "the agent does not start until that is mended")
        return
    if found is not None:
        yield ok("spool", f"spool.path {config.spool.path} {found}")


def _disk(config: AgentConfig) -> Iterator[Finding]:
    spool = config.spool
    held = spool.path.stat().st_size if spool.path.exists() else 0
    limit = f"which may hold up to {machine.size(spool.bytes_max)} and holds {machine.size(held)}"
    yield from machine.room("spool.path", spool.path.parent, max(0, spool.bytes_max - held), limit)


def _certificates(config: AgentConfig) -> Iterator[Finding]:
    tls = config.ledger.tls
    for name, path in (("ca_file", tls.ca_file), ("cert_file", tls.cert_file)):
        if path is not None:
            yield from certificates.chain(f"ledger.tls.{name}", path)
    if tls.cert_file is not None and tls.key_file is not None:
        yield from machine.readable("certificates", "ledger.tls.key_file", tls.key_file, is_secret=True)
        yield from certificates.key_fits(tls.cert_file, tls.key_file)


def _ledger(config: AgentConfig) -> Iterator[Finding]:
    host, port = split_address(config.ledger.endpoint)
    tls = config.ledger.tls
    trust = None if config.ledger.plaintext else Trust(tls.ca_file, tls.cert_file, tls.key_file, tls.server_name)
    if tls.insecure:
        told = "usage travels unencrypted (ledger.tls.insecure)"
        yield warning("certificates", told, "give the ledger a certificate, and its authority as ca_file")
    for each in reached(host, port, trust):
        yield each
        if each.status == "failure":
            return
    yield from greeted(config)
