"""Whether S3 and PostgreSQL keep what a ledger needs of them, as far as that can be told from outside.

Asked once, when a store is opened. What is found is a warning and not a refusal: each of these can be somebody's
decision, on a test machine, and none of them breaks the order of the log. But all of them can lose what was acknowledged.
"""

from __future__ import annotations

import uuid

from ledger.journal.errors import LogUnavailable, StoreDamaged, StoreRefused
from ledger.journal.shared.connection import Connection
from ledger.journal.shared.database import Database
from ledger.journal.shared.objects import NameTaken, Objects

FOLDER = "soundness/"

_SETTINGS = "SELECT current_setting('fsync'), current_setting('full_page_writes'), pg_is_in_recovery()"


def warnings(objects: Objects, database: Database) -> list[str]:
    """One sentence for each promise that is not kept, with what to do. Raises LogUnavailable, StoreRefused.

    Where S3 does not know conditional writes, ``objects`` does without from then on.
    """
    return of_postgresql(database) + _of_s3(objects)


def of_postgresql(database: Database) -> list[str]:
    """The same of the database alone, which is only asked. Raises LogUnavailable, StoreRefused."""

    def ask(connection: Connection) -> tuple[str, str, bool]:
        found = connection.execute(_SETTINGS).fetchone()
        assert found is not None
        return found[0], found[1], found[2]

    fsync, full_page_writes, is_standby = database.run(ask)
    if is_standby:
        raise StoreRefused(f"{database.server}: this is a standby, which takes no writes; name the primary")
    found = []
    if fsync != "on":
        found.append(
            f"{database.server} runs with fsync = {fsync}: a power loss can take what was acknowledged; set it to on"
        )
    if full_page_writes != "on":
        found.append(
            f"{database.server} runs with full_page_writes = {full_page_writes}: a power loss can tear its pages; set it to on"
        )
    return found


def _of_s3(objects: Objects) -> list[str]:
    found = []
    bucket, name, body = objects.bucket, f"{FOLDER}{uuid.uuid4()}", uuid.uuid4().bytes
    try:
        server = objects.put(name, body)
    except LogUnavailable as error:
        # A server that knows no conditions says so with this status; anything else is trouble of another kind.
        if "HTTP status 501" not in str(error):
            raise
        objects.is_conditional = False
        server = objects.put(name, body)
    try:
        if objects.get(name) != body:
            raise StoreDamaged("other content")
    except StoreDamaged:
        found.append(f"{bucket}: an object cannot be read as soon as it was written; use a store that is consistent")
    if objects.is_conditional:
        try:
            objects.put(name, bytes(16))
            objects.is_conditional = False
        except NameTaken:
            pass
    if not objects.is_conditional:
        found.append(
            f"{bucket}: the server does not honour If-None-Match, so nothing but chance keeps an object from being "
            "overwritten; use a version that does"
        )
    objects.delete([name])
    if server.startswith("SeaweedFS") and not bucket.is_durable:
        found.append(
            f"{bucket}: SeaweedFS answers before the bytes are on disk unless told otherwise; run 'fs.configure "
            f"-locationPrefix=/buckets/{bucket.name}/ -fsync -apply' in weed shell, then add durable=yes to the address"
        )
    return found
