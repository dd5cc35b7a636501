"""Which collections refer to which by foreign keys, and in what order they are brought to a peer. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from syncline.model.schema import Collection, Table


def parents_at(peer: str, collections: Mapping[str, Collection], tables: Mapping[str, Table]) -> dict[str, frozenset[str]]:
    """Of each collection, the others whose tables its foreign keys refer to at a peer. `tables`: the peer's, by name."""
    named = {collection.table_at(peer).lower(): name for name, collection in collections.items()}
    found: dict[str, frozenset[str]] = {}
    for name, collection in collections.items():
        table = tables.get(collection.table_at(peer))
        referred = [named.get(parent.lower(), name) for parent in table.parents] if table is not None else []
        if others := frozenset(referred) - {name}:
            found[name] = others
    return found


def parents_first(names: Sequence[str], parents: Iterable[Mapping[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    """What each collection waits for: all that it refers to, wherever; never in a circle.

    Of collections that refer to each other in a circle, each waits only for those before it in `names`.
    """
    known = dict.fromkeys(names, frozenset[str]())
    for each in parents:
        for name, others in each.items():
            known[name] |= others
    rank = {name: place for place, name in enumerate(names)}
    return {
        name: frozenset(one for one in others if rank[one] < rank[name] or not _leads(one, name, known))
        for name, others in known.items()
        if others
    }


def _leads(start: str, end: str, parents: Mapping[str, frozenset[str]]) -> bool:
    """Whether somebody is a parent's parent, however far."""
    met, left = {start}, [start]
    while left:
        for one in parents[left.pop()]:
            if one == end:
                return True
            if one not in met:
                met.add(one)
                left.append(one)
    return False
