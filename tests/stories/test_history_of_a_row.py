"""`history`: a row's key as people type it, numbers as they are, and an error where no row can be meant."""

import pytest
from tests.stories.conftest import MakeSpace

PRICES = "CREATE TABLE prices (shop TEXT NOT NULL, at REAL NOT NULL, price REAL, n INTEGER, PRIMARY KEY (shop, at))"


def test_a_key_of_text_and_real_is_found_and_reals_are_plain_numbers(make: MakeSpace) -> None:
    space = make(schema=PRICES, collections={"prices": "{}"})
    space.write("hq", "INSERT INTO prices VALUES ('a,b', 12.0, 0.1, 3), ('12', 0.5, 1e300, 9007199254740993)")
    space.settle()
    space.write("van", "UPDATE prices SET price = 2.25 WHERE shop = 'a,b'")
    space.settle()
    for typed in ("12", "12.0", "1.2e1"):
        history = space.verb("history", "prices", "a,b", typed).data["history"]
        assert history[-1]["fields"] == {"price": [0.1, 2.25]}, typed
    (filled,) = space.verb("history", "prices", "12", ".5").data["history"]
    assert filled["after"] == {"shop": "12", "at": 0.5, "price": 1e300, "n": {"integer": "9007199254740993"}}
    told = space.raw("history", "prices", "a,b", "12", "-c", str(space.config)).text
    assert "price: 0.1 -> 2.25" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("prices", "a"), "a key of prices has 2 parts: shop, at"),
        (("prices", "a", "1", "2"), "3 words given"),
        (("prices", "a", "noon"), "at holds numbers, not 'noon'"),
        (("nothing", "a"), "there is no collection nothing"),
    ],
)
def test_what_cannot_be_a_row_is_an_error_with_a_hint(make: MakeSpace, words: tuple[str, ...], said: str) -> None:
    space = make(schema=PRICES, collections={"prices": "{}"})
    space.write("hq", "INSERT INTO prices VALUES ('a', 1, 2, 3)")
    space.settle()
    told = space.verb("history", *words, code=2)
    assert told.codes == ["SYN-U01"]
    assert said in told.text
    assert "Fix: " in told.text
    assert space.verb("history", "prices", "zzz", "5").data["history"] == [], "no such row: the log holds nothing"


def test_a_key_may_look_like_anything(make: MakeSpace) -> None:
    schema = "CREATE TABLE t (a TEXT NOT NULL, b TEXT NOT NULL, v, PRIMARY KEY (a, b))"
    space = make(schema=schema, collections={"t": "{}"})
    keys = [("x,y", "z"), ("", " "), (",", ","), ("x'61'", "'a'"), ("it's", "NULL"), ("1", "-1"), ("a\nb", "[1]")]
    space.write("hq", *(("INSERT INTO t VALUES (?, ?, ?)", (*key, number)) for number, key in enumerate(keys)))
    space.settle()
    for number, key in enumerate(keys):
        words = ("--", *key) if any(word.startswith("-") for word in key) else key
        result = space.raw("history", "--config", str(space.config), "--json", "t", *words)
        assert [one["after"]["v"] for one in result.data["history"]] == [number], key
