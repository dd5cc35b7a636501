"""SQLite files as peers: changes are captured by triggers into a changelog in the file itself."""

from syncline.peers.sqlite.peer import SqlitePeer, open_peer

__all__ = ["SqlitePeer", "open_peer"]
