"""Whether the stories would notice: each way of breaking what blocks and groups need is found by a check that else holds."""

import inspect
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, NamedTuple

import pytest
from tests.properties.two_ways import TwoWays
from tests.unit.engine import test_groups
from tests.unit.model import test_blocks
from tests.unit.peers.postgres import test_assemble

from syncline.engine import ingest
from syncline.mapping import bulk
from syncline.merge import transact, window
from syncline.model import block, blocks
from syncline.model.value import ABSENT
from syncline.peers import asked as asking
from syncline.peers.postgres import assemble

STORIES: Final = 200


def stories() -> None:
    """As many stories as it takes."""
    for seed in range(STORIES):
        TwoWays(seed).run()


def asked() -> None:
    """Whoever asks for a place gets it."""
    test_assemble.test_a_group_never_reaches_beyond_a_place_that_somebody_asked_for(0)


class Broken(NamedTuple):
    """A line that is written wrongly, where it stands, and who notices."""

    name: str
    module: ModuleType
    owner: str  # a function, or Class.method
    right: str
    wrong: str
    noticed: Callable[[], None] = stories


BROKEN: Final = (
    Broken("a free view", transact, "_precedes", "    return False", "    return isinstance(slot, View)"),
    Broken("another peer's run", transact, "_precedes", " or slot.peer != peer", ""),
    Broken("time", transact, "_precedes", "return slot.time <= time", "return True"),
    Broken("time of a run", transact, "_precedes", "all(slot.block", "True or all(slot.block"),
    Broken("steps back", transact, "_is_free", "if block.steps_back:", "if False:"),
    Broken("known keys", window, "Window._take_run", "if not slots.keys().isdisjoint(keys):", "if False:"),
    Broken("keys that are known stay", window, "Window._take_run", "for key in keys if key not in known", "for key in keys"),
    Broken("never released", window, "Window._take_run", "self._line(run.peer).append", "list().append"),
    Broken("the sign of ages", block, "Block.time", "entry_time - self.ages", "entry_time + self.ages"),
    Broken("no ages", block, "Block.time", "if self.ages else entry_time", "if False else entry_time"),
    Broken("the order of places", block, "Block.places", ".append(place)", ".insert(0, place)"),
    Broken("one delta", bulk, "_summed", "get(key, 0) + delta", "delta"),
    Broken("the first value", bulk, "_updates", "list(dict(zip(keys, last, strict=True)).values())",
           "list(dict(zip(reversed(keys), reversed(last), strict=True)).values())"),
    Broken("mixed is whole", bulk, "whole_blocks", "name not in mixed and", ""),
    Broken("withheld keys", bulk, "whole_blocks", "not (blocked and _holds(blocks, blocked))", "True"),
    Broken("its own come back", bulk, "whole_blocks", "if entry.peer != peer:\n                for",
           "if True:\n                for"),
    Broken("order across blocks", bulk, "writes_of", "if not distinct and (len(kinds) > 1 or not blocks[0].is_update):",
           "if False:"),
    Broken("the rest is nothing", bulk, "rest_of", "if block.collection not in taken", "if False"),
    Broken("one mask", blocks, "updated", "if all(map(all, differs)):", "if True:",
           test_blocks.test_updates_of_the_same_columns_are_one_block_and_others_are_apart),
    Broken("keys in several blocks", blocks, "are_apart", "return False", "return True"),
    Broken("groups are never taken apart", ingest, "Ingest._goes_as_one", "is_undisturbed(self._window, transaction, time)",
           "True"),
    Broken("a clock that ran ahead", ingest, "Ingest._goes_as_one", "last - item.source.clock_offset <= self._latest()", "True",
           test_groups.test_c12_a_group_from_a_clock_that_ran_ahead_and_was_set_back_is_logged_one_by_one),
    Broken("beyond what was asked", asking, "Asked.parts", "one <= place.major < other", "False", asked),
    Broken("ours is no border", assemble, "Assembler._commit", "_ours is not None:\n        yield from self.flush()",
           "_ours is not None:", test_assemble.test_a_transaction_of_ours_is_a_border),
    Broken("tables as they are later", assemble, "Assembler._together", "self._decoder.as_now()", "self._decoder",
           test_assemble.test_a_table_that_looks_different_from_here_on_is_a_border),
    Broken("another spelling", blocks, "_differs", "if after.form in SPELLED:", "if False:",
           test_assemble.test_a_number_that_is_written_anew_is_no_change),
    Broken("what was not sent", blocks, "_series", " or any(ABSENT in row for row in rows)", "",
           lambda: test_blocks.test_d35_what_columns_cannot_tell_makes_no_blocks([test_blocks.change(None, (1, ABSENT, 0))])),
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.name)
def test_what_is_broken_is_noticed(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = broken.module, broken.owner
    holder: Any = owner
    if "." in name:
        kind, _, name = name.partition(".")
        holder = getattr(owner, kind)
    right = getattr(holder, name)
    made = rewritten(owner, right, broken)
    for place in (holder, *sys.modules.values()):
        if vars(place).get(name) is right:
            monkeypatch.setattr(place, name, made)
    with pytest.raises((AssertionError, IndexError, ValueError)):
        broken.noticed()


def rewritten(module: ModuleType, function: Callable[..., Any], broken: Broken) -> Callable[..., Any]:
    """A function with one line written wrongly."""
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(broken.right) != 1:
        pytest.fail("that line is written in another way now")
    scope: dict[str, Any] = {}
    exec(source.replace(broken.right, broken.wrong), vars(module), scope)  # noqa: S102
    made: Callable[..., Any] = scope[function.__name__]
    return made
