"""A private server as a process: in a temporary folder, on a free port of 127.0.0.1, ended by its id. Knows no kind."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from syncline.model.errors import ServerFailed

START_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.02
_TOLD_CHARACTERS: Final = 2_000


@cache
def other_user(*names: str) -> pwd.struct_passwd:
    """The first of these users that there is: servers refuse to run as root. Raises StopIteration if there is none."""
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in names if name in known)


@dataclass
class ServerProcess:
    """A server. `settings` go over the kind's own; `under`: where its folder is to be. It runs once it was made."""

    settings: dict[str, str] = field(default_factory=dict)
    under: Path | None = None
    folder: Path = field(init=False)
    port: int = field(init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    USERS: ClassVar[tuple[str, ...]] = ("nobody",)  # whom root runs it as: the first that there is
    END: ClassVar[int] = signal.SIGTERM  # what ends it in good order
    REFUSED: ClassVar[tuple[type[Exception], ...]] = ()  # what `greet` raises as long as it does not answer

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-server-", dir=self.under))
        try:
            if os.geteuid() == 0:
                os.chown(self.folder, other_user(*self.USERS).pw_uid, other_user(*self.USERS).pw_gid)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            self.make()
            self.start()
        except BaseException:
            self.remove()
            raise

    def make(self) -> None:
        """Make its data folder."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The program with its words."""
        raise NotImplementedError

    def greet(self) -> None:
        """Open a session and close it. Raises what REFUSED names as long as the server does not answer."""
        raise NotImplementedError

    def create(self, name: str) -> str:
        """Make an empty database; its address."""
        raise NotImplementedError

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def is_up(self) -> bool:
        """Whether its main process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def _ways(self) -> dict[str, Any]:
        """How its programs are run: not by root, and with temporary files of their own."""
        environment: Mapping[str, str] = {**os.environ, "TMPDIR": str(self.folder)}
        ways: dict[str, Any] = {"cwd": "/", "env": environment}
        if os.geteuid() == 0:
            user = other_user(*self.USERS)
            ways |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}
        return ways

    def call(self, *words: str) -> None:
        """Run one of its programs to its end. Raises ServerFailed."""
        done = subprocess.run(words, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, **self._ways)
        if done.returncode:
            self._fail(f"{Path(words[0]).name} did not work", done.stdout + done.stderr)

    def start(self) -> None:
        """Start it, and wait until it answers. Raises ServerFailed."""
        with (self.folder / "server.out").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **self._ways
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.greet()
            except self.REFUSED:
                if not self.is_up or time.monotonic() > deadline:
                    said = (self.folder / "server.out").read_text(errors="replace")
                    self._fail("the server does not answer" if self.is_up else "the server ended", said)
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _fail(self, what: str, said: str) -> None:
        raise ServerFailed(what, why=said[-_TOLD_CHARACTERS:].strip(), hint="see what it says", server=type(self).__name__)

    def stop(self) -> None:
        """End it in good order."""
        self._end(self.END)

    def freeze(self) -> None:
        """Stop it where it stands: it takes connections, and answers nobody."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after a freeze."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9, as a power cut would leave it."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
        self.process = None

    def remove(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
