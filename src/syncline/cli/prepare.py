"""From a configuration file to a space that verbs may act on; a file with mistakes is refused with all of them at once.

Where the text has mistakes, the peers that can be reached are asked too, so that a wrong column is told in the same go.
"""

import asyncio
from pathlib import Path

import msgspec

from syncline.cli import facade
from syncline.config.address import file_of
from syncline.config.load import Draft, draft
from syncline.hub.build import ask, build_plan, dismiss
from syncline.model.errors import Problem, SynclineError
from syncline.model.space import PeerSpec, Space


def space_of(config: Path) -> Space:
    """The space of a configuration without mistakes. Raises ConfigError with every problem of text and tables."""
    found = draft(config)
    if found.problems:
        found.refuse(asyncio.run(_problems_of_tables(found)))
    return found.space


def space_to_run(config: Path) -> Space:
    """The same for serving: the file of a peer that took part before may be absent, and the others go on without it."""
    strict, found = draft(config), draft(config, absent_ok=True)
    if not strict.problems or found.problems:
        return space_of(config)
    peers = asyncio.run(facade.hub_for(found.space).status())["peers"]
    absent = {str(problem.where.get("peer")) for problem in strict.problems}
    if any(peers.get(name, {}).get("state", "new") == "new" for name in absent):
        return space_of(config)
    return found.space


async def _problems_of_tables(found: Draft) -> list[Problem]:
    """What the peers say against the parts of the text that could be read. Peers that cannot be asked say nothing."""
    present = _present(found.space)
    if not present or not found.space.collections:
        return []
    try:
        asked = await ask(msgspec.structs.replace(found.space, peers=present))
    except SynclineError:  # the mistakes of the text come first; what else is wrong is told when they are gone
        return []
    try:
        return build_plan(found.space, asked, {})[1]
    finally:
        await dismiss(asked)


def _present(space: Space) -> dict[str, PeerSpec]:
    """The peers whose files are there: looking must not create one."""
    files = {name: file_of(peer.url) for name, peer in space.peers.items()}
    return {name: peer for name, peer in space.peers.items() if (file := files[name]) is None or file.is_file()}
