"""The page: says what the report says, lets no name become markup, and asks nobody for anything."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.hub.reports import report

from syncline.hub.markup import VOID, Html, joined, tag, text
from syncline.hub.proof_page import page
from syncline.reconcile.report import Copy, ProofReport


class Read(HTMLParser):
    """Reads a page: its elements, its text, and whether every element is closed by its own end."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if self._open and self._open[-1] == "style" else data


def shown(one: ProofReport) -> str:
    """The page of a report."""
    return page(one, "PUBLIC+KEY=", "0123456789abcdef", "SIGNATURE==", "f" * 64)


PLAIN = Read(shown(report()))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a&amp;b", '" onload="x', "'><img src=x>", "</td></table>", "</style>", "<!--"]
)
def test_names_are_text_whatever_they_hold(name: str) -> None:
    read = Read(shown(report(name=name, peer=f"peer {name}")))
    assert read.tags == PLAIN.tags
    assert [name for name, _ in read.attributes] == [name for name, _ in PLAIN.attributes]
    for said in (name, f"peer {name}", f"space of {name}", f"why at peer {name}", f"fix {name}", f"it is not peer {name}"):
        assert said in read.text


NAMES = st.text(st.characters(codec="utf-8"), min_size=1)


@given(NAMES, NAMES)
def test_no_name_makes_another_page(name: str, peer: str) -> None:
    if peer != "van":
        assert Read(shown(report(name=name, peer=peer))).tags == PLAIN.tags


def test_control_characters_and_changes_of_direction_are_shown() -> None:
    read = Read(shown(report(name="a\u202eb\x1bc\nd")))
    assert "a\\u202eb\\x1bc\\nd" in read.text
    assert "\u202e" not in read.text


def test_the_page_says_what_the_report_says() -> None:
    for said in (
        "Not equal", "2 rows differ between copies", "differs", "not proven", "because of incident 56.0", "CHECK", "uncaptured",
        "found at entry 55", "proven equal through entry 40", "never proven equal before", "equal again",
        "all rows: 100 rows, compared by 3 digests (sha256) in 2 seconds; each copy had entry 40", "behind: van",
        "1 of 5 ever", "sqlite:////hq.db", "1f.0.hq",
        "77 rows so far, begun 2026-11-21 10:00:00 UTC", "broken", "Last compared",
        "PUBLIC+KEY=", "0123456789abcdef", "SIGNATURE==", "f" * 64, *report().not_claimed, report().digests,
    ):  # fmt: skip
        assert said in PLAIN.text, said


@pytest.mark.parametrize(
    ("standing", "headline"),
    [
        ("in sync", "Everything was equal"),
        ("behind", "Not proven to the end yet"),
        ("not known", "Not every copy is known now"),
        ("differs", "Not equal"),
        ("unproven", "Not every"),
    ],
)
def test_the_headline_says_it_at_once(standing: str, headline: str) -> None:
    source = shown(msgspec.structs.replace(report(), standing=standing))
    assert re.search(rf"<h1>{headline}", source)


def held(standing: str, through: int | None, at: str | None) -> Copy:
    """A copy that stands so."""
    return Copy(standing, standing, "it is broken" if standing == "not known" else "", through, through, at)


def test_the_large_number_counts_only_copies_that_stand_so_now() -> None:
    early, late = "2026-11-20T09:00:00.000001Z", "2026-11-21T10:00:00.000001Z"
    copies = {
        "a": held("in sync", 50, late),
        "b": held("behind", 45, early),
        "c": held("not known", 50, "2026-11-01T00:00:00Z"),
    }
    part = msgspec.structs.replace(report().collections["customers"], standing="not known", copies=copies)
    one = msgspec.structs.replace(report(), standing="not known", collections={"customers": part})
    read = Read(shown(one))
    assert "Copies in sync1 of 3" in read.text
    assert "last compared between 2026-11-20 09:00:00 UTC and 2026-11-21 10:00:00 UTC" in read.text
    assert "not known nowit is broken" in read.text
    assert "2026-11-01 00:00:00 UTC" in read.text
    assert "Not every copy is known now." in read.text
    assert "The last full comparison is of 2026-11-21 10:00:00 UTC." in read.text
    assert [value for name, value in read.attributes if name == "style"] == ["width:100%", "width:90%"], (
        "no bar of what is away"
    )
    assert part.last is not None
    older = msgspec.structs.replace(part, full=msgspec.structs.replace(part.last, at=early))
    both = Read(shown(msgspec.structs.replace(one, collections={"customers": part, "orders": older})))
    assert "The last full comparisons of the collections are of 2026-11-20 09:00:00 UTC to 2026-11-21" in both.text
    never = msgspec.structs.replace(one, collections={"customers": msgspec.structs.replace(part, full=None, copies={})})
    assert "Not every collection was ever compared in full." in Read(shown(never)).text
    assert "When copies were compared is not known." in Read(shown(never)).text


def test_the_page_asks_nobody_and_runs_nothing() -> None:
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(PLAIN.tags)
    assert not {"src", "href", "action"} & {name for name, _ in PLAIN.attributes}
    assert not [name for name, _ in PLAIN.attributes if name.startswith("on")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in PLAIN.attributes
    assert not re.search(r"https?:|url\(|@import", shown(report()))


def test_markup_is_only_what_was_made_as_such() -> None:
    assert text("<b>") == "&lt;b&gt;"
    assert joined(1234, None, Html("<br>")) == "1,234<br>"
    assert tag("p", "a<", class_='x"y', data_label="<") == '<p class="x&quot;y" data-label="&lt;">a&lt;</p>'
