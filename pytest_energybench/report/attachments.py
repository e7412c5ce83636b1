"""Figures and tables made elsewhere that a page takes in."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_energybench.base.text import sanitize
from pytest_energybench.results.run_file import read_bytes

_MEDIA = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of plain text: cells are escaped like everything else.

    Attributes:
        note: one sentence under the title, e.g. where the reference figures come from.
        prose: the cells are sentences, not figures: aligned to the left, and wrapped.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Headline:
    """What an experiment found: a page opens with it, and not with the result of a gate.

    Attributes:
        finding: one sentence.
        scope: what it is a finding of and on, and what speaks against it, a line each.
        figure: stem of the figure that shows it; `table` is the title of the table that does.
    """

    finding: str
    scope: Sequence[str] = ()
    figure: str = ""
    table: str = ""


Attachment = Path | Table | Headline
"""A figure's file, a table, or what the page opens with."""


@dataclass(frozen=True, slots=True)
class EmbeddedFigure:
    """An image as a data URI, with the words that stand for it."""

    stem: str
    caption: str
    uri: str


def embedded(path: Path) -> EmbeddedFigure:
    """An image file to embed; `figure_2_energy-accuracy.svg` is called `Figure 2: energy accuracy`.

    Raises:
        ValueError: the file is of a kind that a page cannot show.
        OSError: the file cannot be read.
    """
    media = _MEDIA.get(path.suffix.lower())
    if media is None:
        raise ValueError(f"{path} is not an image a page can show (one of {', '.join(_MEDIA)})")
    content = base64.b64encode(read_bytes(path)).decode("ascii")
    return EmbeddedFigure(path.stem, _caption(path.stem), f"data:{media};base64,{content}")


def _caption(stem: str) -> str:
    words = sanitize(re.sub(r"[_\s-]+", " ", stem)).strip()
    numbered = re.fullmatch(r"(?i)fig(?:ure)? ?(\d+)(?: (.+))?", words)
    if numbered is None:
        return words[:1].upper() + words[1:]
    number, rest = numbered.groups()
    return f"Figure {number}: {rest}" if rest else f"Figure {number}"
