"""Text for a console or log that is no UTF-8: a Windows code page, or ASCII under `LANG=C`.

The characters that reports use have a look-alike in ASCII; all others are shown by number. One
character takes the place of one, so that columns stay aligned.
"""

from __future__ import annotations

import codecs
import os
import sys

HANDLER = "energybench"
"""Name under which Python's codecs know the replacement."""

LOOK_ALIKES = {
    "\u2212": "-",
    "\u2013": "-",
    "\u2026": "~",
    "\u00b5": "u",
    "\u00d7": "x",
    "\u0394": "d",
    "\u2082": "2",
    "\u00b1": "+/-",
    "\u00b7": ".",
    "\u2715": "x",
    "\u25b2": "^",
    "\u25bc": "v",
}


def _replacement(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(LOOK_ALIKES.get(char) or _escape(char) for char in found), error.end


def _escape(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error(HANDLER, _replacement)


def fitting(text: str, encoding: str | None) -> str:
    """The text in characters that the encoding has; None stands for UTF-8."""
    try:
        return text.encode(encoding or "utf-8", HANDLER).decode(encoding or "utf-8")
    except (LookupError, UnicodeError):  # an encoding that Python doesn't know
        return text.encode("ascii", HANDLER).decode("ascii")


def make_streams_fit() -> None:
    """From now on whatever is printed comes out, in look-alikes where it has to; where there is no
    stream (`>&-`), nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=HANDLER)
