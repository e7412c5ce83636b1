"""The documentation as a site; `nox -s site` builds it, and fails on links that lead nowhere."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

DOCS = ROOT / "docs"


def test_every_page_has_its_place_in_the_site() -> None:
    _, _, nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")
    named = re.findall(r"^ +- (?:.*: )?(\S+\.md)$", nav, re.MULTILINE)
    assert sorted(named) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
