"""One write transaction of SQLite. Knows no table."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw


@contextmanager
def transaction(db: apsw.Connection) -> Iterator[None]:
    """All or nothing; durable when it returns, if the connection is. Waits for another writer as long as the busy timeout."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            with suppress(apsw.Error):
                db.execute("ROLLBACK")
