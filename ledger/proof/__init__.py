"""The proof: what the ledger signs of its log, and how it shows what stands in there.

Reading order: ``errors``, ``keyfile`` (where secret keys are), ``succession`` (which keys the book says have signed it),
``signer`` (both together, and rotation), ``hashes`` (the tree's hashes, from the tables), ``checkpoints`` (what is signed and
when), ``proofs`` (that a batch is in it, that one tree goes on from another), ``witnessing`` (the same for agents, who keep
checkpoints). How all of it is checked stands in ``meterbook.proof``, which needs nothing of the ledger.
"""
