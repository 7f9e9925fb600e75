"""SIGHUP: what the ledger can take on while it runs is taken on at once, and of everything else the log says that it waits for a restart.

Certificates, the admin token's file and credentials are read again anyway, every few seconds. What else stands in the configuration is built
into what is open: addresses, the store, limits that streams were told of. A ledger that took on half of a file would be one that nobody
configured, so none of that changes; but the file is checked, so that a fault is found now and not by the next restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ledger.server.config import ConfigError, LedgerConfig
from ledger.server.process import LedgerProcess

logger = logging.getLogger(__name__)


async def reload(process: LedgerProcess, config: LedgerConfig, read: Callable[[], LedgerConfig]) -> None:
    """Take on what can be; ``read`` gives the configuration as it is now, or raises ConfigError. Raises nothing."""
    await process.look_again()
    try:
        waiting = waits(config, read())
    except ConfigError as error:
        logger.error("the ledger would not start again with its configuration as it is now: %s", error)
        return
    except Exception:
        # What runs, and has run well, is not to end for a file.
        logger.exception("the ledger would not start again with its configuration as it is now")
        return
    if waiting:
        logger.warning("these settings have changed and wait for a restart: %s", ", ".join(waiting))
    else:
        logger.info("certificates and credentials were read again; nothing else has changed")


def waits(before: LedgerConfig, now: LedgerConfig) -> list[str]:
    """The names of the settings that differ. Never their values: some are secrets."""
    return [name for name in LedgerConfig.model_fields if getattr(before, name) != getattr(now, name)]
