"""Collectors read one source each. They are a library: they know neither the agent nor the ledger."""
