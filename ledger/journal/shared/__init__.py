"""The log that several replicas share: objects in S3, their order in PostgreSQL.

A group of records is one object; one PostgreSQL transaction gives it its place. That commit is the acknowledgement, and the
fence is inside it: whoever comes second finds the chain moved on. No replica keeps anything of its own.

Reading order: ``objects`` and ``database`` (the two services, each with its time-outs and the one place where
its errors are translated), ``migrations`` (the database's tables), ``connection`` (what is said about them), ``commit`` (the
transaction), ``reader``, ``log`` (all of it as the ledger sees a log; ``machine`` is what it takes from where it runs), ``turn`` (which replica fills the tables), ``soundness`` (whether the services keep what they
promise), ``orphans`` (objects that no transaction took up). ``FORMAT.md`` has what is stored.

This is the only home of boto3 and psycopg.
"""
