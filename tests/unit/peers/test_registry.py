"""Peer kinds are found by URL scheme, installed or built in."""

from importlib.metadata import EntryPoint

import pytest

from syncline.model.errors import PeerUnsafe
from syncline.peers import registry
from syncline.peers.sqlite import SqlitePeer


def test_a_built_in_kind_is_found_without_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    peer = registry.open_peer("van", "SQLite:///van.db")
    assert isinstance(peer, SqlitePeer)
    assert (peer.name, peer.features.kind) == ("van", "sqlite")
    assert registry.schemes() == {"sqlite", "postgresql", "postgres", "mysql", "mariadb"}


def test_an_installed_kind_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("other", "syncline.peers.sqlite:open_peer", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    assert registry.schemes() == {*registry.BUILT_IN, "other"}
    broken = EntryPoint("broken", "syncline.no_such_module:open_peer", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [broken])
    with pytest.raises(PeerUnsafe, match="pip install"):
        registry.open_peer("van", "broken://x")


@pytest.mark.parametrize("url", ["postgres9://x", "van.db", "", "://x", "sqlit:///x"])
def test_an_unknown_scheme_names_the_known_ones(url: str) -> None:
    with pytest.raises(PeerUnsafe, match="sqlite"):
        registry.open_peer("van", url)
