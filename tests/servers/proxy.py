"""A TCP proxy on the loopback, whose connections a story can cut in the middle of a message, delay, or have swallow all."""

import socket
import struct
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

_LINGER: Final = struct.pack("ii", 1, 0)
_LATE_BYTES: Final = 256 * 1024


class Proxy:
    """Forwards connections to a port until it is told otherwise, what is sent either way only after `delay_seconds`."""

    def __init__(self, target: int, delay_seconds: float = 0.0) -> None:
        self._target, self._delay_seconds = target, delay_seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._swallowed: set[socket.socket] = set()
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        if self._delay_seconds:
            self._forward_late(source, sink)
            return
        with suppress(OSError):
            while data := source.recv(4096):
                if source not in self._swallowed:
                    sink.sendall(data)
        if source not in self._swallowed:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)

    def _forward_late(self, source: socket.socket, sink: socket.socket) -> None:
        """As a long way: all is late by as much, however much it is."""
        way: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

        def arrive() -> None:
            with suppress(OSError):
                while True:
                    due, data = way.get()
                    time.sleep(max(0.0, due - time.monotonic()))
                    if not data:
                        sink.shutdown(socket.SHUT_RDWR)
                        return
                    sink.sendall(data)

        threading.Thread(target=arrive, daemon=True).start()
        with suppress(OSError):
            while data := source.recv(_LATE_BYTES):
                way.put((time.monotonic() + self._delay_seconds, data))
        way.put((time.monotonic() + self._delay_seconds, b""))

    def aim(self, target: int) -> None:
        """Forward new connections to another port."""
        self._target = target

    def swallow(self) -> int:
        """From now on the connections that are open take everything and give nothing, nor tell of an end; how many."""
        with self._lock:
            self._swallowed.update(self._open)
            return len(self._open) // 2

    def cut(self) -> int:
        """Reset every connection that is open; how many there were."""
        with self._lock:
            sockets, self._open = self._open, []
        for one in sockets:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.cuts += 1
        return len(sockets) // 2

    def close(self) -> None:
        """Stop."""
        self.cut()
        self._listener.close()
