"""Digests: every peer's are those of model.canonical, over half-open ranges, groups of keys and both ends of the key space."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from syncline.model.canonical import CHAIN, SHA256, Total, Way, classes_of, total_of
from syncline.model.key import order
from syncline.model.schema import Collection
from syncline.model.value import Key, Row
from syncline.model.write import Batch
from syncline.peers.conformance.harness import PAIRS, PEOPLE, Insert, person
from syncline.peers.conformance.ranges import ROWS
from syncline.peers.conformance.reading import ready, run
from syncline.peers.conformance.suite import Suite
from syncline.peers.protocol import Digest, Peer, Range

SALT = "0123456789abcdef"
ODD: tuple[Row, ...] = (
    person(-(2**63), "", email="", photo=b"", note=None),
    person(-1, "'", email=";", photo=None, note="%s %% \\"),
    person(0, "a;b", email="2:xy", photo=b"\x00\xff;", age=None, note="!n1"),
    person(1, "\u00e4\U0001f600", email="\u00df" * 40, photo=bytes(range(256)), note="\n\r\t"),
    person(2, "1", email="NULL", age=0, note=":"),
    person(2**63 - 1, " blanks ", email="-0", age=2**31 - 1, note="x" * 5000),
)


KNOWN: Final = {SHA256: Way(SHA256, SALT), CHAIN: Way(CHAIN, SALT)}  # what model.canonical makes itself


async def ways_of(peer: Peer, collection: Collection) -> list[Way]:
    """Every way in which a peer digests."""
    return [Way(algorithm, SALT) for algorithm in await peer.ways(collection)]


def expected(collection: Collection, rows: Sequence[Row], way: Way = KNOWN[SHA256]) -> Digest:
    """What model.canonical makes of these rows, which are in order."""
    total = Total(way)
    total.add_rows(rows, classes_of(collection))
    return Digest(total.count, total.value)


class DigestSuite(Suite):
    """Tests of `ways`, `fences`, `digests` and `digests_of`."""

    def test_digests_are_those_of_the_canonical_text(self, tmp_path: Path) -> None:
        """NULL, empty, separators, quotes, bytes and the ends of what integers can be."""
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", row) for row in ODD])
            single: list[Range] = list(pairwise([None, *((row[0],) for row in ODD)]))
            for algorithm, way in KNOWN.items():  # asked for or not, none is refused
                found = await peer.digests(PEOPLE, single, way)
                assert list(found.parts) == [expected(PEOPLE, [row]) for row in ODD]
                whole = await peer.digests(PEOPLE, [(None, None), ((2**63 - 1,), None)], way)
                assert whole.parts == (expected(PEOPLE, ODD, way), Digest(0, 0))
                assert (await peer.digests(PEOPLE, [(None, None)], Way(algorithm, "f" * 16))).parts != whole.parts[:1]
            await harness.close()

        run(story())

    def test_ranges_are_open_below_and_closed_above_and_reach_both_ends(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("pairs", row) for row in ROWS.values()])
            keys = sorted(ROWS, key=order)
            for bounds in ([None, None], [None, keys[0], None], [None, keys[-1], None], [None, *keys[::7], None]):
                ranges = list(pairwise(bounds))
                for way in await ways_of(peer, PAIRS):
                    parts = (await peer.digests(PAIRS, ranges, way)).parts
                    counts = [sum(_inside(key, one) for key in keys) for one in ranges]
                    assert [part.count for part in parts] == counts
                    (whole,) = (await peer.digests(PAIRS, [(None, None)], way)).parts
                    assert total_of(part.total for part in parts) == whole.total
            assert (await peer.digests(PAIRS, [], Way())).parts == ()
            beyond: list[Range] = [
                (("\U0010ffff", 1), None),
                (None, ("", -(2**63) + 1)),
                (("z", 8), ("z", 8)),
                (("{", 0), None),
            ]
            assert [part.count for part in (await peer.digests(PAIRS, beyond, Way())).parts] == [0, 1, 0, 10]
            await harness.close()

        run(story())

    def test_fences_cut_into_parts_of_about_a_size(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(n)) for n in range(1000)])
            (fences, none, all_after) = await peer.fences(PEOPLE, [(None, None), ((2000,), None), ((500,), (700,))], 50)
            assert none == []
            assert fences == sorted(fences, key=order)
            counts = [part.count for part in (await peer.digests(PEOPLE, list(pairwise([None, *fences, None])), Way())).parts]
            assert sum(counts) == 1000
            assert max(counts) <= 100
            assert all(order((500,)) < order(fence) <= order((700,)) for fence in all_after)
            assert 1 <= len(all_after) <= 8
            await harness.close()

        run(story())

    def test_digests_of_keys_leave_out_what_is_not_there(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("pairs", row) for row in ROWS.values()])
            some: list[Key] = list(ROWS)[:7]
            groups: list[list[Key]] = [some, [], [("none", 1), *some[:2]], [("none", 1)], [some[0], some[0]], list(ROWS) * 2]
            found = (await peer.digests_of(PAIRS, groups, Way(salt=SALT))).parts
            wanted = [some, [], some[:2], [], some[:1], list(ROWS)]
            assert list(found) == [expected(PAIRS, [ROWS[key] for key in keys]) for keys in wanted]
            await harness.close()

        run(story())

    def test_a_chain_stands_for_the_rows_in_their_order_and_for_single_rows_as_any_digest(self, tmp_path: Path) -> None:
        """Rows that changed places make another one, as do rows that are cut elsewhere; keys alone are digested one by one."""
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("people", person(n)) for n in range(300)])
            rows, chain = [person(n) for n in range(300)], KNOWN[CHAIN]
            bounds: list[Key | None] = [None, (17,), (18,), (200,), None]
            cut = [rows[:18], rows[18:19], rows[19:201], rows[201:]]
            found = await peer.digests(PEOPLE, list(pairwise(bounds)), chain)
            assert list(found.parts) == [expected(PEOPLE, part, chain) for part in cut]
            assert found.parts[0] != expected(PEOPLE, [*rows[1:18], rows[0]], chain)
            (hashes,) = await peer.hashes(PEOPLE, [((17,), (19,))], chain)
            assert hashes == {(n,): expected(PEOPLE, [rows[n]]).total for n in (18, 19)}
            groups = (await peer.digests_of(PEOPLE, [[(4,), (1,), (999,)]], chain)).parts
            assert groups == (expected(PEOPLE, [rows[1], rows[4]]),)
            assert CHAIN not in await peer.ways(PAIRS)
            await harness.close()

        run(story())

    def test_hashes_are_the_digests_of_single_rows(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("pairs", row) for row in ROWS.values()])
            keys = sorted(ROWS, key=order)
            ranges: list[Range] = [*pairwise([None, *keys[::9], None]), (keys[3], keys[3]), (keys[3], keys[9])]
            for way in await ways_of(peer, PAIRS):
                found = await peer.hashes(PAIRS, ranges, way)
                parts = (await peer.digests(PAIRS, ranges, way)).parts
                assert [set(one) for one in found] == [{key for key in keys if _inside(key, one)} for one in ranges]
                assert [Digest(len(one), total_of(one.values())) for one in found] == list(parts)
            assert await peer.hashes(PAIRS, [], Way()) == []
            await harness.close()

        run(story())

    def test_d27_ranges_in_order_with_gaps_between_them(self, tmp_path: Path) -> None:
        """Rows of the gaps, and of both ends, count nowhere; nor does it matter in which order ranges are named."""
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one", [Insert("pairs", row) for row in ROWS.values()])
            keys = sorted(ROWS, key=order)
            every: list[Range] = list(pairwise([None, *keys, None]))
            one_way: list[list[Range]] = [
                every[::2],
                every[1:-1:3],
                every[5:7],
                every[4:6] + every[9:11],
                [every[0], every[-1]],
            ]
            for way in await ways_of(peer, PAIRS):
                for ranges in [*one_way, *(some[::-1] for some in one_way)]:
                    found = await peer.hashes(PAIRS, ranges, way)
                    assert [set(one) for one in found] == [{key for key in keys if _inside(key, one)} for one in ranges]
                    parts = (await peer.digests(PAIRS, ranges, way)).parts
                    assert list(parts) == [Digest(len(one), total_of(one.values())) for one in found]
                    fences = await peer.fences(PAIRS, ranges, 1)
                    assert [len(one) for one in fences] == [max(0, len(one) - 1) for one in found]
            await harness.close()

        run(story())

    def test_any_field_that_differs_makes_another_digest(self, tmp_path: Path) -> None:
        """Equal tables have equal digests, in every way; one value that differs has not. Nothing cancels out."""
        harness = self.harness(tmp_path)

        async def story() -> None:
            one = await ready(harness, "one", [Insert("people", person(n)) for n in range(9)])
            two = await ready(harness, "two", [Insert("people", person(n)) for n in reversed(range(9))])
            odd = {
                1: person(1, note=None),
                2: person(2, age=None),
                3: person(3, "name 4"),
                4: person(4, "name 3"),
                5: person(5, photo=b"0"),
            }
            rows = [odd.get(n, person(n)) for n in (*range(8), 9)]
            other = await ready(harness, "other", [Insert("people", row) for row in rows])
            ranges: list[Range] = list(pairwise([None, *((n,) for n in range(10)), None]))
            for way in await ways_of(one, PEOPLE):
                first = (await one.digests(PEOPLE, ranges, way)).parts
                assert (await two.digests(PEOPLE, ranges, way)).parts == first
                theirs = (await other.digests(PEOPLE, ranges, way)).parts
                differ = [number for number, pair in enumerate(zip(first, theirs, strict=True)) if pair[0] != pair[1]]
                assert differ == [1, 2, 3, 4, 5, 8, 9]
                swapped = [(await peer.digests(PEOPLE, [((2,), (4,))], way)).parts for peer in (one, other)]
                assert swapped[0] != swapped[1]
            await harness.close()

        run(story())

    def test_digests_tell_where_they_stand(self, tmp_path: Path) -> None:
        harness = self.harness(tmp_path)

        async def story() -> None:
            peer = await ready(harness, "one")
            await harness.write("one", [Insert("people", person(1))])
            await peer.apply(Batch(12, (), 0))
            found = await peer.digests(PEOPLE, [(None, None)], Way())
            assert (found.position, found.watermark) == (await peer.position(), 12)
            one = await peer.digests_of(PEOPLE, [[(1,)]], Way())
            assert (one.position, one.watermark) == (found.position, 12)
            await harness.close()

        run(story())


def _inside(key: Key, piece: Range) -> bool:
    after, upto = piece
    return (after is None or order(key) > order(after)) and (upto is None or order(key) <= order(upto))
