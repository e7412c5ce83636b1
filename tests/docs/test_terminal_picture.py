"""The picture of a terminal in the README is small, loads nothing and shows both verdicts."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.pages import ROOT

PICTURE = ROOT / "docs" / "terminal.svg"


@pytest.fixture(params=["in the README", "made now"])
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The picture as it lies there, and as the script makes it of today's output."""
    if request.param == "in the README":
        return PICTURE
    pytest.importorskip("pty", reason="needs pseudo-terminals")
    pytest.importorskip("rich", reason="needs rich, of the extra docs")
    script = runpy.run_path(str(ROOT / "docs" / "make_terminal_picture.py"))
    made = tmp_path / "made.svg"
    sessions = [script["session"](*each) for each in script["BUDGETS"].items()]
    made.write_text(script["picture"]("\n".join(sessions)))
    return made


def shown(picture: Path) -> str:
    text = "".join(ElementTree.parse(picture).getroot().itertext())
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_it_is_small_loads_nothing_and_shows_both_verdicts(picture: Path) -> None:
    text = picture.read_text()
    assert len(text) < 40_000
    assert "@font-face" not in text
    assert not re.findall(r"(?:href=|url\()[\"']?(?:https?:)?//", text)
    assert "PASSED: 1 within limits" in shown(picture)
    assert re.search(r"FAIL +(over budget|machine busy) +test_sum", shown(picture))


def test_that_of_the_readme_is_from_a_machine_that_was_not_busy() -> None:
    assert "over budget" in shown(PICTURE)
    assert "machine busy" not in shown(PICTURE)


def test_it_says_where_its_figures_are_estimated() -> None:
    assert shown(PICTURE).count("estimated, not read from a counter") == 2
