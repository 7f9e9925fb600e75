"""Access: who may do what, from credentials that are acts of the journal.

Reading order: ``credentials`` (what a credential looks like), ``grants`` (what an agent may name), ``caller``, ``acts`` (what
was done, and where that is kept), ``standing`` (who holds what after it), ``register`` (who is calling), ``policy`` (may they:
the one place of every decision), ``writing`` (what an agent may write), ``issuing`` (what changes it all), ``book``.
"""
