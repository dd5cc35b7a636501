"""A hub's log in a process of its own, for stories in which that process dies, sleeps or is refused.

    python -m tests.stories.log_server PATH [--busy]

Appends one to seven entries at a time for ever and says 'acked N' after each; 'open N' at first; the error's code at the end.
With --busy it also compacts and trims between appends. Appends nothing before it is told to by a line on its input.
"""

import asyncio
import sys

from syncline.log.conformance import mixed
from syncline.log.sqlite import SqliteLog
from syncline.model.errors import SynclineError


def say(text: str) -> None:
    """A line to whoever started this."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def serve(path: str, busy: bool) -> None:
    """Append until something ends it."""
    log = SqliteLog(path)
    head = await log.open()
    say(f"open {head}")
    await asyncio.to_thread(sys.stdin.readline)
    turn = 0
    while True:
        turn += 1
        head = await log.append(mixed(head + 1, head + 1 + turn % 7), head)
        say(f"acked {head}")
        if busy and turn % 10 == 0:
            await log.compact()
            say(f"trimming {head - 60}")
            await log.trim(head - 60)


def main() -> None:
    """Run until refused."""
    try:
        asyncio.run(serve(sys.argv[1], "--busy" in sys.argv))
    except SynclineError as error:
        say(f"ended {error.text()}")


if __name__ == "__main__":
    main()
