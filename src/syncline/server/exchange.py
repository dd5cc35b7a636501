"""A request and its answer, as far as they matter here. Knows no socket and no space."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from syncline.config.secrets import scrubbed
from syncline.model.errors import ConfigError, RequestRefused, SynclineError

JSON: Final = "application/json"


class Request(NamedTuple):
    """What somebody asks. `target`: path and query, as sent; `headers`: by lower-case name."""

    method: str
    target: str
    headers: Mapping[bytes, bytes]


class Answer(NamedTuple):
    """What is answered; `headers` beside those that every answer has."""

    status: int
    body: bytes
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def told(report: object, status: int = HTTPStatus.OK, **headers: str) -> Answer:
    """A report as verbs print it with --json: on one line, without secrets. `headers`: named with _ for -."""
    body = json.dumps(scrubbed(report), default=str) + "\n"
    return Answer(int(status), body.encode(), JSON, tuple((name.replace("_", "-"), text) for name, text in headers.items()))


def failed(error: SynclineError, status: int = HTTPStatus.SERVICE_UNAVAILABLE, **headers: str) -> Answer:
    """An error as verbs print it with --json."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    return told({"error": error.as_json(), "problems": [one.as_json() for one in problems]}, status, **headers)


def refused(status: int, what: str, why: str = "", hint: str = "", **headers: str) -> Answer:
    """An answer that says why there is none."""
    return failed(RequestRefused(what, why=why, hint=hint), status, **headers)
