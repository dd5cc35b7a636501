"""Asking a hub over HTTP as Prometheus and a load balancer do: a free port, and answers that have to parse."""

import http.client
import json
import socket
from contextlib import closing
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from tests.stories.space import Space

Metrics = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Got(NamedTuple):
    """A status and what came with it."""

    status: int
    body: str

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])


def listen(space: Space) -> int:
    """Say in a space's configuration that its hub answers HTTP; the port."""
    port = free_port()
    with space.config.open("a", encoding="utf-8") as file:
        file.write(f"serve: {{listen: '127.0.0.1:{port}'}}\n")
    return port


def get(port: int, path: str) -> Got:
    """One answer. Raises OSError while nobody listens."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        found = connection.getresponse()
        return Got(found.status, found.read().decode())


def is_up(port: int) -> bool:
    """Whether somebody answers there."""
    try:
        return get(port, "/healthz").status == 200
    except OSError:
        return False


def metrics(port: int) -> Metrics:
    """All samples, by name and labels."""
    found = get(port, "/metrics")
    assert found.status == 200, found.body
    families = text_string_to_metric_families(found.body)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def of_copy(found: Metrics, name: str, peer: str, **labels: str) -> float | None:
    """The sample of a peer's customers; None if there is none."""
    place = {"space": "story", "peer": peer, "collection": "customers"} | labels
    return found.get((f"syncline_{name}", frozenset(place.items())))


def of_space(found: Metrics, name: str, **labels: str) -> float | None:
    """The sample of the space, or of its customers; None if there is none."""
    return found.get((f"syncline_{name}", frozenset(({"space": "story"} | labels).items())))
