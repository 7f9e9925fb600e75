"""The agent: collects on a schedule, tags by tenant, spools to disk and streams to the ledger. It writes nothing else."""
