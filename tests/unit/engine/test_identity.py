"""Identity: every piece of evidence that a peer's history is not the one in the log (F20, F26, F27, F28)."""

import msgspec
import pytest

from syncline.engine.identity import continues, knows_its_own, require_free, session_mark, verify_identity
from syncline.engine.state import PeerRecord, Stage
from syncline.model.errors import PeerRestored, PeerUnreachable, PeerUnsafe
from syncline.model.stamp import Position
from syncline.peers.protocol import Identity

HEAD = 50
SHOWN = Identity("inc", "n2", 40, Position(70, 0, "b"), fresh=False)


def record(stage: Stage = Stage.LIVE, **more: object) -> PeerRecord:
    """What the log knows of the peer that shows SHOWN."""
    made = PeerRecord("q", stage, "inc", ("n1", "n2"), Position(60, 0, "a"), captured=39, joined_at=5)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_a_peer_that_went_on_is_the_same() -> None:
    verify_identity(record(), SHOWN, HEAD)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (msgspec.structs.replace(SHOWN, fresh=True), "tables are gone or empty"),
        (msgspec.structs.replace(SHOWN, incarnation="other"), "incarnation is other"),
        (msgspec.structs.replace(SHOWN, nonce="n0"), "session mark"),
        (msgspec.structs.replace(SHOWN, watermark=HEAD + 1), "the log was restored"),
        (msgspec.structs.replace(SHOWN, watermark=38), "went back in time"),
        (msgspec.structs.replace(SHOWN, position=Position(59, 0, "a")), "its history ends at 59"),
        (msgspec.structs.replace(SHOWN, forgotten=Position(61)), "forgotten its history up to 61"),
    ],
    ids=[
        "f20_wiped",
        "f26_cloned",
        "f26_restored",
        "f27_log_restored",
        "f28_watermark_behind",
        "f28_history_behind",
        "f27_history_forgotten",
    ],
)
@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.JOINING, Stage.PAUSED])
def test_each_evidence_stops_it_and_says_how_to_go_on(shown: Identity, why: str, stage: Stage) -> None:
    with pytest.raises(PeerRestored) as caught:
        verify_identity(record(stage), shown, HEAD)
    assert why in caught.value.why
    assert "--rejoin" in caught.value.hint
    assert caught.value.where == {"peer": "q"}


@pytest.mark.parametrize(
    ("incarnation", "what", "why"),
    [
        ("inc (the slot is gone)", "its history is not the one that the log knows", "the slot is gone"),
        (
            "other (the slot is gone)",
            "this is not the copy that the log knows",
            "its incarnation is other (the slot is gone), the log",
        ),
        ("incx", "this is not the copy that the log knows", "its incarnation is incx, the log knows inc"),
    ],
)
def test_a_history_that_broke_at_the_same_copy_is_not_called_another_copy(incarnation: str, what: str, why: str) -> None:
    with pytest.raises(PeerRestored) as caught:
        verify_identity(record(), msgspec.structs.replace(SHOWN, incarnation=incarnation), HEAD)
    assert caught.value.what == what
    assert caught.value.why.startswith(why)


@pytest.mark.parametrize("stage", [Stage.NEW, Stage.STALE, Stage.LEFT])
def test_a_peer_without_a_place_is_compared_anyway(stage: Stage) -> None:
    verify_identity(record(stage), msgspec.structs.replace(SHOWN, nonce="n0"), HEAD)


def test_before_its_first_apply_a_peer_has_no_watermark_yet() -> None:
    verify_identity(record(captured=5), msgspec.structs.replace(SHOWN, watermark=0), HEAD)


def test_a_peer_that_was_never_set_up_shows_nothing() -> None:
    verify_identity(PeerRecord("q", Stage.JOINING), Identity("", "", 0, Position(0), fresh=True), HEAD)


NOTHING = Identity("", "", 0, Position(0), fresh=True, empty=True)


@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.JOINING, Stage.PAUSED])
def test_f16_where_nothing_is_a_known_peer_is_away_and_not_new(stage: Stage) -> None:
    with pytest.raises(PeerUnreachable) as caught:
        verify_identity(record(stage), NOTHING, HEAD)
    assert "--rejoin" in caught.value.hint


@pytest.mark.parametrize("known", [PeerRecord("q"), PeerRecord("q", Stage.JOINING), record(Stage.NEW)])
def test_where_nothing_is_a_new_peer_may_begin(known: PeerRecord) -> None:
    verify_identity(known, NOTHING, HEAD)


def test_who_returns_with_its_history_continues_it() -> None:
    """Its position in the log was put aside as `since` when it was asked to join again."""
    assert continues(record(Stage.NEW, position=None, since=Position(60, 0, "a")), SHOWN, HEAD)


@pytest.mark.parametrize(
    ("shown", "since", "known"),
    [
        (SHOWN, Position(60, 0, "a"), True),
        (msgspec.structs.replace(SHOWN, forgotten=Position(60)), Position(60, 0, "a"), True),
        (msgspec.structs.replace(SHOWN, forgotten=Position(61)), Position(60, 0, "a"), False),
        (SHOWN, None, True),
        (msgspec.structs.replace(SHOWN, fresh=True), Position(60, 0, "a"), False),
        (msgspec.structs.replace(SHOWN, incarnation="other"), Position(60, 0, "a"), False),
    ],
    ids=["went_on", "just_whole", "forgotten", "restored", "torn_down", "another_footprint"],
)
def test_who_can_tell_what_it_wrote_itself(shown: Identity, since: Position | None, known: bool) -> None:
    assert knows_its_own(record(Stage.NEW, since=since), shown) is known


@pytest.mark.parametrize(
    ("shown", "more"),
    [
        (SHOWN, {"incarnation": ""}),
        (SHOWN, {"since": None}),
        (SHOWN, {"since": Position(71)}),
        (msgspec.structs.replace(SHOWN, nonce="n0"), {}),
        (msgspec.structs.replace(SHOWN, watermark=3), {}),
        (msgspec.structs.replace(SHOWN, fresh=True), {}),
    ],
    ids=["left", "unknown_position", "went_back", "restored", "watermark_behind", "wiped"],
)
def test_who_returns_with_another_history_does_not_continue_it(shown: Identity, more: dict[str, object]) -> None:
    known = {"position": None, "since": Position(60, 0, "a"), **more}
    assert not continues(record(Stage.NEW, **known), shown, HEAD)


OURS = session_mark("a/b", "new")


@pytest.mark.parametrize("shown", ["", "n9", session_mark("a/b", "old")])
def test_f26_a_peer_that_nobody_or_this_space_holds_is_free(shown: str) -> None:
    require_free(PeerRecord("q"), msgspec.structs.replace(SHOWN, nonce=shown), OURS)


@pytest.mark.parametrize("holder", ["a", "b", "other"])
def test_f26_a_peer_that_another_space_holds_is_not(holder: str) -> None:
    shown = msgspec.structs.replace(SHOWN, nonce=session_mark(holder, "x"))
    with pytest.raises(PeerUnsafe, match=f"configuration of {holder}"):
        require_free(PeerRecord("q"), shown, OURS)
    require_free(record(nonces=("n1", shown.nonce)), shown, OURS)  # of this log, before the space got another name
