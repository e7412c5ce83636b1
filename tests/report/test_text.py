"""Strings from outside made fit to show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.base.text import sanitize
from pytest_energybench.report.text import (
    display_width,
    labels,
    listed,
    pad,
    plural,
    shorten,
)


def test_a_terminal_is_given_nothing_to_obey():
    assert sanitize("a\x1b[31mred\x07") == "a\\x1b[31mred\\x07"
    assert sanitize("two\nlines\tand a tab") == "two lines and a tab"
    assert sanitize("\u202etxt.exe") == "\\u202etxt.exe"
    assert sanitize("3\u00a0J".encode() + b"\xff") == "3\u00a0J\\xff"


@given(st.text())
def test_visible_text_is_one_printable_line(text):
    shown = sanitize(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(char) < 32 or ord(char) == 127 for char in shown)


def test_width_counts_columns():
    assert display_width("abc") == 3
    assert display_width("日本") == 4
    assert display_width("e\u0301") == 1


def test_the_middle_goes_first():
    short = shorten("tests/unit/test_codec.py::test_encode[jpeg-4096]", 24)
    assert short.startswith("tests/")
    assert short.endswith("code[jpeg-4096]")
    assert display_width(short) == 24


@given(st.text(max_size=80), st.integers(4, 60))
def test_shortened_text_fits(text, width):
    assert display_width(shorten(text, width)) <= width


def test_padding_fills_columns_not_characters():
    assert display_width(pad("日本", 7)) == 7


def test_a_name_that_is_not_alone_gives_way_to_the_node_id():
    assert labels(["a.py::t", "b.py::t", "b.py::u"], ["t", "t", "u"]) == ["a.py::t", "b.py::t", "u"]


@pytest.mark.parametrize(
    ("parts", "text"), [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b and c")]
)
def test_listed(parts, text):
    assert listed(parts) == text


def test_plural():
    assert [plural(1, "case"), plural(2000, "case")] == ["1 case", "2,000 cases"]
