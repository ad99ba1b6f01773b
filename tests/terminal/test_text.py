from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_opa.terminal.text import Span, carets, mixed, paint, plain, spans, visible, width, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls -la", "ls -la"),
        ("\x1b[2J", "<U+001B>[2J"),
        ("a\rb", "a<U+000D>b"),
        ("\x9b31m", "<U+009B>31m"),
        ("\u202etxt.exe", "<U+202E>txt.exe"),
        ("pay\u200bpal", "pay<U+200B>pal"),
        ("rm -rf\u00a0/", "rm -rf<U+00A0>/"),
        ("\ud800", "<U+D800>"),
        ("\U000e0041", "<U+E0041>"),
        ("\u3164", "<U+3164>"),
        ("x\ufe0f", "x<U+FE0F>"),
        ("line\u2028break", "line<U+2028>break"),
        ("é ü 漢字 ñ", "é ü 漢字 ñ"),
        ("e\u0301", "e\u0301"),
        ("e" + "\u0301" * 5, "e\u0301\u0301<U+0301><U+0301><U+0301>"),
        ("a\nb", "a<U+000A>b"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_kept_characters_stay() -> None:
    assert visible("a\nb\x07", keep="\n") == "a\nb<U+0007>"


@given(st.text())
def test_nothing_reaches_the_terminal_that_it_would_obey(text: str) -> None:
    shown = paint(spans(text), colour=False)
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)
    assert visible(shown) == shown


@given(st.text(), st.integers(10, 60), st.booleans())
def test_wrapped_lines_fit_and_code_loses_nothing(text: str, columns: int, words: bool) -> None:
    line = spans(text)
    parts = list(wrap(line, columns, words=words))
    # a wide character may need one column more than a width that has no room for it
    assert all(width(plain(part)) <= columns for part in parts)
    if not words:
        assert "".join(plain(part) for part in parts) == plain(line)
    else:
        assert "".join(plain(part) for part in parts).replace(" ", "") == plain(line).replace(" ", "")


def test_words_stay_whole_and_later_lines_hang() -> None:
    parts = [plain(p) for p in wrap([Span("one two three four")], 10, hanging=2)]
    assert parts == ["one two ", "  three ", "  four"]


def test_carets_stand_below_what_is_dangerous() -> None:
    line = [Span("cd 漢 && "), Span("rm -rf /", "danger")]
    below = carets(line)
    assert below is not None
    assert plain(below) == " " * 9 + "^" * 8
    assert carets([Span("ls")]) is None


def test_colour_only_where_wanted() -> None:
    assert paint([Span("no", "red")], colour=True) == "\x1b[31mno\x1b[0m"
    assert paint([Span("no", "red")], colour=False) == "no"


@pytest.mark.parametrize(("text", "found"), [("раypal.com", ["раypal"]), ("日本語abc", []), ("naïve", []), ("мир", [])])
def test_look_alikes_are_found(text: str, found: list[str]) -> None:
    assert mixed(text) == found
