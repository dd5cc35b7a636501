"""From a configuration file to a space that verbs may act on; a file with mistakes is refused with all of them at once.

Where the text has mistakes, the peers that can be reached are asked too, so that a wrong column is told in the same go.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import msgspec

from syncline.cli import facade
from syncline.config.address import file_of
from syncline.config.load import Draft, draft
from syncline.hub.build import against, ask, dismiss
from syncline.model.errors import ConfigError, PeerError, Problem
from syncline.model.space import PeerSpec, Space


def space_of(config: Path) -> Space:
    """The space of a configuration without mistakes. Raises ConfigError with every problem of text and tables.

    That a peer's file is absent is a mistake of the text only as long as the peer never took part: then it is the peer that
    cannot be reached, and the others may go on without it.
    """
    strict, found = draft(config), draft(config, absent_ok=True)
    if strict.problems and (found.problems or _are_strangers(found.space, strict.problems)):
        _refuse(strict, *asyncio.run(_problems_of_peers(strict)))
    return found.space


def _refuse(strict: Draft, problems: Iterable[Problem], failed: Iterable[PeerError]) -> None:
    """Raise everything that is known to be wrong."""
    try:
        strict.refuse(tuple(problems))
    except ConfigError as error:
        if errors := list(failed):
            raise ExceptionGroup("the space cannot be served", [error, *errors]) from None
        raise


def _are_strangers(space: Space, absent: Iterable[Problem]) -> bool:
    """Whether some peer whose file is absent never took part, as far as the log tells."""
    peers = asyncio.run(facade.hub_for(space).status())["peers"]
    return any(peers.get(str(one.where.get("peer")), {}).get("stage", "new") == "new" for one in absent)


async def _problems_of_peers(found: Draft) -> tuple[list[Problem], list[PeerError]]:
    """What the peers say against the parts of the text that could be read; and those that cannot be asked, with the reason."""
    present = _present(found.space)
    if not present or not found.space.collections:
        return [], []
    asked = await ask(msgspec.structs.replace(found.space, peers=present))
    try:
        return (await against(found.space, asked, {}))[1], list(asked.failed.values())
    except PeerError as error:  # it went away while it was asked
        return [], [*asked.failed.values(), error]
    finally:
        await dismiss(asked)


def _present(space: Space) -> dict[str, PeerSpec]:
    """The peers whose files are there: looking must not create one."""
    files = {name: file_of(peer.url) for name, peer in space.peers.items()}
    return {name: peer for name, peer in space.peers.items() if (file := files[name]) is None or file.is_file()}
