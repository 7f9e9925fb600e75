"""``meterbook ledger serve``: a ledger in the foreground, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ledger.cli.doctor import doctor
from ledger.cli.migrate import migrate, orphans
from ledger.cli.serving import serving_options
from ledger.cli.stores import backup, rebuild, restore
from ledger.journal.errors import JournalError
from ledger.journal.memory import keep_freed_memory
from ledger.server.config import ConfigError, LedgerConfig, load
from ledger.server.process import CannotServe, LedgerProcess
from ledger.server.reloading import reload
from meterbook import logs, tracing
from meterbook.descriptors import allow_many

#: Seconds that a thread computes before another one that waits has its turn. A call over gRPC is of many small steps, and each would wait so
#: long while usage is counted or booked beside it; Python's own 5 ms would be most of what an answer from memory takes.
_SWITCH_S = 0.0005

logger = logging.getLogger(__name__)


@click.group()
def ledger() -> None:
    """Run a ledger."""


@ledger.command()
@serving_options
@logs.asks_how
def serve(config: Path | None, log_level: str, log_format: str | None, **changes: Any) -> None:
    """Serve until SIGTERM or Ctrl-C. On SIGHUP certificates and credentials are read again, and the configuration is checked."""
    keep_freed_memory()
    allow_many()
    sys.setswitchinterval(_SWITCH_S)

    def read() -> LedgerConfig:
        return load(config, {name: value for name, value in changes.items() if value is not None})

    with logs.telling(log_level, log_format):
        try:
            found = read()
            tracing.begin(found.tracing, "meterbook-ledger", found.listen)
            asyncio.run(_serve(found, read))
        except (ConfigError, JournalError, CannotServe, tracing.CannotTrace) as error:
            raise click.ClickException(str(error)) from error
        finally:
            tracing.end()


async def _serve(config: LedgerConfig, read: Callable[[], LedgerConfig]) -> None:
    wanted: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, wanted.put_nowait, number)
    process = LedgerProcess(config)
    await process.start()
    try:
        while await _asked_for(wanted) == signal.SIGHUP:
            await reload(process, config, read)
        await _drain(process, config.drain_s, wanted)
    finally:
        await process.stop()


async def _asked_for(wanted: asyncio.Queue[int]) -> int:
    """The next signal; SIGHUPs that came meanwhile are one."""
    number = await wanted.get()
    while number == signal.SIGHUP and not wanted.empty():
        number = wanted.get_nowait()
    return number


async def _drain(process: LedgerProcess, drain_s: float, wanted: asyncio.Queue[int]) -> None:
    """Serve on for so long, saying that it ends; not a moment longer once somebody says again that it is to."""
    await process.stop_serving()
    if not drain_s:
        return
    logger.info(
        "stopping in %g s: until then everything is served, and /readyz says so; a second signal ends that", drain_s
    )
    with suppress(TimeoutError):
        async with asyncio.timeout(drain_s):
            while await wanted.get() == signal.SIGHUP:
                pass


for _command in (doctor, backup, restore, rebuild, migrate, orphans):
    ledger.add_command(_command)
