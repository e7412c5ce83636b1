"""The picture of a terminal in the README is small, loads nothing and shows both verdicts."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.docs.pages import ROOT

PICTURE = ROOT / "docs" / "terminal.svg"


def shown() -> str:
    text = "".join(ElementTree.parse(PICTURE).getroot().itertext())
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_it_is_small_and_loads_nothing() -> None:
    text = PICTURE.read_text()
    assert PICTURE.stat().st_size < 40_000
    assert "@font-face" not in text
    assert not re.findall(r"(?:href=|url\()[\"']?(?:https?:)?//", text)


def test_it_shows_a_gate_that_passes_and_one_that_fails() -> None:
    assert "PASSED: 1 within limits" in shown()
    assert "over budget" in shown()


def test_it_says_where_its_figures_are_estimated() -> None:
    assert shown().count("estimated, not read from a counter") == 2
