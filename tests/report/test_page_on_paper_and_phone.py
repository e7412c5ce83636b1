"""The page on paper, on a phone and on the first screen, in Chromium."""

from __future__ import annotations

import base64
import re

import pytest

from tests.report.reader import UNFOLD


def test_print_shows_the_figures_and_no_controls(reader, pages):
    reader.open(pages["ci"])
    reader.cdp("Emulation.setEmulatedMedia", media="print")
    assert reader.run("return document.getElementById('tools').offsetParent === null")
    assert reader.run("return document.getElementById('table').offsetHeight") > 100


PAPER = {"portrait": (210 - 26) / 25.4 * 96, "landscape": (297 - 26) / 25.4 * 96}
"""CSS pixels between the margins of a sheet."""


@pytest.mark.parametrize("name", ["ci", "paper", "finding", "wordy"])
def test_no_table_is_cut_on_paper(reader, pages, name):
    """Tables of many columns have pages across; the others are on the usual ones."""
    for sheet, chosen in (("landscape", ".across table"), ("portrait", "table:not(.across table)")):
        reader.open(pages[name], width=int(PAPER[sheet]))
        reader.cdp("Emulation.setEmulatedMedia", media="print")
        cut = reader.run(
            "return [...document.querySelectorAll(arguments[0])].filter("
            "t => t.getBoundingClientRect().right > innerWidth + 1).map(t => t.innerText)",
            chosen,
        )
        assert cut == []


def test_what_is_printed_holds_what_is_folded_and_turns_wide_tables(reader, pages):
    reader.open(pages["finding"])
    printed = base64.b64decode(
        reader.cdp("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"]
    )
    boxes = {
        (float(width) > float(height))
        for width, height in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    }
    assert boxes == {True, False}


@pytest.mark.parametrize("width", [360, 1280])
def test_the_answer_is_on_the_first_screen(reader, pages, width):
    reader.open(pages["ci"], width=width)
    bottom = (
        "return document.querySelector(arguments[0]).getBoundingClientRect().bottom <= innerHeight"
    )
    assert reader.run(bottom, "h1")
    assert reader.run(bottom, ".chips")
    assert reader.run(bottom, ".looks li:nth-child(2)")
    chips = reader.run("return document.querySelector('.chips').innerText")
    assert all(each in chips for each in ("2 fail", "1 unknown", "2 less", "1 new"))
    assert reader.run("return document.querySelector('.looks .sum').textContent") == (
        "40.8 J → 45.7 J +12.0 %"
    )


def test_no_id_breaks_inside_a_word_on_a_phone(reader, pages):
    """A name breaks at a seam (`<wbr>`) and nowhere else: each of its parts is on one line."""
    for name in ("ci", "paper", "finding"):
        reader.open(pages[name], width=360)
        reader.run(UNFOLD, 0)
        broken = reader.run(
            "const found = [], range = document.createRange();"
            "for (const id of document.querySelectorAll('a.case, #table tbody th')) {"
            "  for (const text of id.childNodes) {"
            "    if (text.nodeType !== 3) continue;"
            "    for (const word of text.data.matchAll(/[\\w.]+/g)) {"
            "      range.setStart(text, word.index);"
            "      range.setEnd(text, word.index + word[0].length);"
            "      if (new Set([...range.getClientRects()].map(r => r.top)).size > 1)"
            "        found.push(word[0]);"
            "    }"
            "  }"
            "}"
            "return found"
        )
        assert broken == []


def test_targets_are_large_enough(reader, pages):
    reader.open(pages["ci"], width=360)
    reader.run(UNFOLD, 0)
    small = reader.run(
        "return [...document.querySelectorAll('button, summary, input, .chips a')]"
        ".filter(e => e.offsetParent && (e.offsetHeight < 24 || e.offsetWidth < 24))"
        ".map(e => e.outerHTML)"
    )
    assert small == []


def test_figures_are_dark_in_dark_mode_alone(reader, pages):
    filtered = "return getComputedStyle(document.querySelector('.images img')).filter"
    for scheme, expected in (("light", "none"), ("dark", "invert")):
        reader.open(pages["finding"])
        reader.cdp(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        assert reader.run(filtered).startswith(expected)
