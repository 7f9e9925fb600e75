"""The ledger's side of the command line: ``serve`` runs one, all other commands ask one over gRPC.

Exit codes: 0 good, 1 a request that was refused or failed, 2 wrong usage of the command.
"""
