"""Desks at PostgreSQL databases."""

from typing import Any, Final

import psycopg
from psycopg import errors

from syncline.demo.desks.desk import Dialect, Trouble

_AGAIN: Final = (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable, errors.UniqueViolation)


def _connect(address: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(address, autocommit=True, connect_timeout=10)


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, _AGAIN):
        return "again"
    return "lost" if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else ""


DIALECT: Final = Dialect(
    connect=_connect,
    trouble=_trouble,
    begin="BEGIN",
    types={"INTEGER": "bigint", "REAL": "double precision", "TEXT": "text", "NAME": 'text COLLATE "C"'},
    tables="SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()",
    lock=" FOR UPDATE",
)
