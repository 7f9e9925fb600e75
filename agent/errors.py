"""Errors of the agent, named for what the caller does next.

::

    AgentError          one sentence that a person can act on
     +- ConfigError     change the configuration file
     +- StartError      change the machine: a port is taken, a certificate cannot be read
     +- SpoolFull       keep the checkpoint and try again once the ledger has acknowledged something
     +- SpoolUnusable   somebody has to look at the spool's file; trying again cannot help
     +- ChainBroken     what the ledger holds is not what was sent: say Hello again and resume

The errors of SQLite become these in ``spool``; those of gRPC stay in ``uplink``, where each means a delay.
"""

from __future__ import annotations


class AgentError(Exception):
    """The message is one sentence that names the place and what can be done there."""


class ConfigError(AgentError):
    """The configuration has faults; ``faults`` holds one sentence for each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StartError(AgentError):
    """Something that the agent needs from the machine is not there."""


class SpoolFull(AgentError):
    """The batch was not stored: neither rows nor checkpoint. There is room again after the next acknowledgement."""


class SpoolUnusable(AgentError):
    """The spool's file cannot be used: another agent's, another format, in use, damaged or unreadable."""


class ChainBroken(AgentError):
    """The ledger named a sequence or a hash that this spool never sent."""
