"""A space of servers' databases and SQLite files for the stories: what space.Space is for files alone."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.stories.space import Report, Space, Told

Server: TypeAlias = Any  # of tests.servers: postgres.Server, mariadb.Server
CUSTOMERS: Final = (
    "CREATE TABLE customers (id int8 PRIMARY KEY, name text, balance int8 NOT NULL DEFAULT 0, tags text, notes text, iban text)"
)


@dataclass
class Mixed:
    """Peers in `databases` (name -> server) beside the SQLite peers of `space`."""

    space: Space
    servers: Mapping[str, Server]
    schema: str | Mapping[str, str] = CUSTOMERS
    databases: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, server in self.servers.items():
            self.databases[name] = server.database()
            server.run(self.databases[name], self.schema if isinstance(self.schema, str) else self.schema[name])
        self.configure()

    def configure(self) -> None:
        """Write the configuration: the servers' peers first."""
        self.space.configure()
        lines = self.space.config.read_text(encoding="utf-8").splitlines()
        added = [f"  {name}: {server.url(self.databases[name])}" for name, server in self.servers.items()]
        place = lines.index("peers:") + 1
        self.space.config.write_text("\n".join([*lines[:place], *added, *lines[place:]]) + "\n", encoding="utf-8")

    @property
    def peers(self) -> tuple[str, ...]:
        """All peers."""
        return (*self.servers, *self.space.peers)

    def write(self, peer: str, *statements: str) -> None:
        """One transaction at a peer."""
        if peer in self.servers:
            self.servers[peer].run(self.databases[peer], *statements)
        else:
            self.space.write(peer, *statements)

    def detour(self, peer: str, port: int) -> None:
        """Have the hub reach a peer's server by another port of this machine."""
        text = self.space.config.read_text(encoding="utf-8")
        direct = f":{self.servers[peer].port}/{self.databases[peer]}"
        assert direct in text
        self.space.config.write_text(text.replace(direct, f":{port}/{self.databases[peer]}"), encoding="utf-8")

    def balances(self, peer: str) -> set[int]:
        """The balances that there are at a peer: one, where every row was counted up alike."""
        return {row[2] for row in self.rows(peer)}

    def rows(self, peer: str, table: str = "customers") -> list[tuple[Any, ...]]:
        """All rows of a table, in one order for all peers."""
        if peer in self.servers:
            return sorted(self.servers[peer].run(self.databases[peer], f"SELECT * FROM {table}"), key=repr)
        return self.space.rows(peer, table)

    def settle(self, *, code: int | None = 0) -> Told:
        """Run until everything is delivered and compared."""
        return self.space.settle(code=code)

    def assert_equal(self, table: str = "customers") -> None:
        """All peers hold the same rows, and a comparison says so."""
        first = self.rows(self.peers[0], table)
        for other in self.peers[1:]:
            assert self.rows(other, table) == first, f"{table} at {other} is not as at {self.peers[0]}"

    def verify(self) -> Report:
        """What a comparison of all peers finds."""
        return self.space.verify()

    def start(self, *program: str) -> subprocess.Popen[bytes]:
        """A hub as a process of its own, once all peers are live. `program`: what Python is to run instead of the command."""
        words = program or ("-m", "syncline")
        self.space.hub = self.space.spawn("hub", *words, "run", str(self.space.config), "--json")
        hub = self.space.hub

        def live() -> bool:
            assert hub.poll() is None, f"the hub ended: {self.space.said()[-3000:]}"
            found = self.space.status() if self.space.log.exists() else {}
            running = bool(found) and found["hub"].get("running") and found["hub"].get("pid") == hub.pid
            return bool(running) and all(found["peers"][peer]["state"] == "live" for peer in self.peers)

        self.space.wait(live, "all peers are live")
        return hub

    def wait_equal(self, table: str = "customers") -> None:
        """Wait until all peers hold the same rows."""

        def equal() -> bool:
            return all(self.rows(peer, table) == self.rows(self.peers[0], table) for peer in self.peers[1:])

        self.space.wait(equal, "all peers are equal")

    def close(self) -> None:
        """End the hub, drop the databases."""
        self.space.close()
        for name, server in self.servers.items():
            if server.process is not None:
                server.forget(self.databases[name])


def make(folder: Path, servers: Mapping[str, Server], files: tuple[str, ...] = (), **kwargs: Any) -> Mixed:
    """A mixed space."""
    given: dict[str, Any] = {name: kwargs.pop(name) for name in ("collections", "settings", "verifying") if name in kwargs}
    files_schema = kwargs.pop("files_schema", None)
    if files_schema is not None:
        given["schema"] = files_schema
    return Mixed(Space(folder, peers=files, **given), servers, **kwargs)
