"""PostgreSQL databases (13 to 18) as peers: changes are captured from the write-ahead log by logical decoding (pgoutput)."""

from syncline.peers.postgres.peer import PostgresPeer, open_peer

__all__ = ["PostgresPeer", "open_peer"]
