"""What a page says that a user sees is what the package says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "when-things-go-wrong.md"
SHORTEST = 8
"""Characters of a fragment that is a sentence's own."""

PACKAGE = re.sub(
    r"\"\s*\n\s*f?\"",
    "",
    "\n".join(file.read_text() for file in (ROOT / "pytest_energybench").rglob("*.py")),
)
"""All source, with the strings that go over several lines put together."""


def quoted() -> list[str]:
    """The messages in the first column of the page's tables."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [message for row in rows for message in re.findall("`([^`]+)`", row.split("|")[1])]


ANYTHING = re.compile(
    r"""[0-9][0-9.]* | \.\.\. | '[^']*' | \S+\.(?:json|toml) | [:;,]"""
    r""" | \b(?:coverage|tracer|not\ set|points|a\ pipe|energy\ report)\b""",
    re.VERBOSE,
)
"""Figures, names, and what stands where a message has a place for something."""


def fragments(message: str) -> list[str]:
    """The parts of a message that are always the same."""
    parts = (part.strip(" %") for part in ANYTHING.split(message))
    return [part for part in parts if len(part) >= SHORTEST]


@pytest.mark.parametrize("message", quoted())
def test_a_message_on_the_page_is_one_of_the_package(message: str) -> None:
    for fragment in fragments(message):
        assert fragment in PACKAGE
