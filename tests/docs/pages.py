"""Markdown pages as scripts: their code blocks in order, and what is to be done with each.

A comment right before a block says what it is:

    <!-- file: NAME -->       a file of the page's folder; later blocks of the name replace it
    <!-- exit: 1 -->          the shell block ends with this status instead of 0
    <!-- not run: WHY -->     the block can't be run

A comment that begins with `<!-- given: NAME` and goes on is a file that the reader has already.
`<!-- meter: machine -->` anywhere: its commands meter this machine instead of counting calls.
`<!-- plugins: NAMES -->` anywhere: pytest plugins that they need besides ours.
`<!-- shortened: TEXT -> TEXT -->` anywhere: the test writes the second for the first.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))

_PART = re.compile(
    r"^<!--[ ]given:[ ](?P<given>\S+)\n(?P<content>.*?)^-->$"
    r"|^(?P<indent>[ ]*)(?:<!--[ ](?P<key>file|exit|not[ ]run):[ ](?P<value>[^\n]*?)[ ]-->\n[ ]*)?"
    r"```(?P<language>\w*)\n(?P<text>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
_SETTING = re.compile(r"^<!-- (meter|plugins|shortened): (.*?) -->$", re.MULTILINE)

SHELL = ("sh", "bash", "console")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        line: number of its first line in the page.
        key, value: what the comment before it says; empty where there is none.
    """

    line: int
    language: str
    text: str
    key: str = ""
    value: str = ""


def blocks(page: str) -> Iterator[Block]:
    """The page's blocks and given files, in order."""
    for found in _PART.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        if found["given"]:
            yield Block(line, "", found["content"], "file", found["given"])
            continue
        text = textwrap.dedent(found["text"])
        yield Block(line, found["language"], text, found["key"] or "", found["value"] or "")


def settings(page: str) -> dict[str, str]:
    """What the page says about its commands."""
    return dict(_SETTING.findall(page))


def form(text: str) -> list[str]:
    """Lines of output without what differs from run to run: figures, units, column widths."""
    text = re.sub(r"[-+]?\d[\d.,]*(e[-+]\d+)?", "#", text)
    text = re.sub(r"#:#(:#)?", "# unit", text)  # 0:05, where a test took longer than the page's
    text = re.sub(r"# (?:[µmkM]?J|k?Wh|[µm]?s|min|h)\b", "# unit", text)
    text = re.sub(r"in #s\b|-{2,}|={2,}|_{2,}", " ", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.split()]


def missing_line(shown: str, printed: str) -> str | None:
    """The first line of `shown` that doesn't come, in order, in what was printed.

    `...` stands for anything, on a line of its own for any lines.
    """
    rest = iter(form(printed))
    for line in form(shown):
        wanted = re.compile(re.escape(line).replace(r"\.\.\.", ".*"))
        if line != "..." and not any(wanted.fullmatch(each) for each in rest):
            return line
    return None
