"""Several pieces of work side by side: bounded, in an order, and failing as one piece would."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from typing import Any


async def several(
    names: Sequence[str], after: Mapping[str, Set[str]], limit: int, work: Callable[[str], Coroutine[Any, Any, None]]
) -> None:
    """Do the work of each name, of `limit` at once, each when those that it comes `after` are done. No circles there.

    The first failure ends the others and is raised bare. Cancelled, it ends them all. None is left when it returns.
    """
    left, undone = list(names), set(names)
    doing: dict[str, asyncio.Task[None]] = {}
    try:
        while undone:
            for name in [one for one in left if undone.isdisjoint(after.get(one, ()))][: limit - len(doing)]:
                left.remove(name)
                doing[name] = asyncio.create_task(work(name))
            await asyncio.wait(doing.values(), return_when=asyncio.FIRST_COMPLETED)
            for name in [one for one, task in doing.items() if task.done()]:
                doing[name].result()
                del doing[name]
                undone.discard(name)
    finally:  # not a TaskGroup: what fails while it is being cancelled would hide that it was cancelled
        for task in doing.values():
            task.cancel()
        await asyncio.gather(*doing.values(), return_exceptions=True)
