"""A page whose figures stand between two marks; the words around them stay."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def renew(page: Path, figures: str, *, command: str, check: bool) -> int:
    """Put `figures` into the page, or with `check` say whether they stand there; an exit status.

    Args:
        command: what a reader runs to renew it.
    """
    old = page.read_text("utf-8")
    new = replaced(old, figures, page.name)
    if check:
        if new != old:
            print(f"docs/{page.name} is out of date: {command}")
        return int(new != old)
    page.write_text(new, "utf-8")
    return 0


def replaced(page: str, figures: str, name: str) -> str:
    """`page` with `figures` between its two marks.

    Raises ValueError where they don't stand there, the one before the other.
    """
    head, found, rest = page.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{name} has no {BEGIN} with {END} after it")
    return f"{head}{BEGIN}\n\n{figures}\n\n{END}{tail}"
