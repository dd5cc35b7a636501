"""Ingest and resolve without conflicts: changes a second on one core, window of 100k keys, beside a plain dict.

python benchmarks/ingest_resolve.py [--changes 300000]
"""

import argparse
import statistics
import time
from collections.abc import Callable

from syncline.mapping.project import Target, project
from syncline.merge.transact import settle
from syncline.merge.window import Window
from syncline.model.change import Change, Transaction
from syncline.model.codec import encode_entries
from syncline.model.entry import Entry
from syncline.model.schema import Collection
from syncline.model.stamp import Position

WINDOW_KEYS = 100_000
TRANSACTION_ROWS = 500


def transactions(peer: str, first_key: int, changes: int) -> list[Transaction]:
    """Updates of distinct keys, TRANSACTION_ROWS a transaction, five columns before and after."""
    made: list[Transaction] = []
    for start in range(0, changes, TRANSACTION_ROWS):
        rows = tuple(
            Change(
                "customers",
                (first_key + place,),
                (first_key + place, "name before", "before@example.org", 100, None),
                (first_key + place, "name after", "after@example.org", 101, "tag"),
            )
            for place in range(start, min(start + TRANSACTION_ROWS, changes))
        )
        made.append(Transaction(peer, Position(len(made) + 1), 0, 1_700_000_000_000_000 + start, rows))
    return made


def rate(work: Callable[[], object], changes: int, runs: int = 3) -> float:
    """The median changes a second."""
    speeds = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        speeds.append(changes / (time.perf_counter() - begun))
    return statistics.median(speeds)


def filled() -> Window:
    """A window that holds WINDOW_KEYS keys of another peer."""
    window = Window()
    for place, transaction in enumerate(transactions("other", 10_000_000, WINDOW_KEYS)):
        settle(window, {}, transaction, place + 1, transaction.time)
    return window


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=300_000)
    changes = parser.parse_args().changes
    work = transactions("here", 0, changes)
    entries: list[Entry] = []

    def resolve_all() -> None:
        window = filled_windows.pop()
        entries[:] = [settle(window, {}, one, 1000 + place, one.time) for place, one in enumerate(work)]

    def plain_dict() -> None:
        table: dict[object, object] = {}
        for one in work:
            for change in one.changes:
                table[change.key] = change.after

    filled_windows = [filled() for _ in range(3)]
    resolved = rate(resolve_all, changes)
    baseline = rate(plain_dict, changes)
    shape = Collection("customers", ("id", "name", "email", "balance", "tags"), ("id",))
    target = Target("there", {"customers": shape}, {"customers": frozenset({3})})
    projected = rate(lambda: [project([one], target) for one in entries], changes)
    encoded = rate(lambda: [encode_entries([one]) for one in entries], changes)
    print(f"| step ({changes:,} changes, window of {WINDOW_KEYS:,} other keys) | changes/s | of a plain dict |")
    print("|---|---|---|")
    print(f"| a plain dict keyed by row | {baseline:,.0f} | 1.00 |")
    for name, speed in (("settle (ingest + resolve)", resolved), ("project for one peer", projected), ("encode", encoded)):
        print(f"| {name} | {speed:,.0f} | {speed / baseline:.2f} |")
    total = 1 / (1 / resolved + 1 / encoded)
    print(f"| settle + encode together | {total:,.0f} | {total / baseline:.2f} |")


if __name__ == "__main__":
    main()
