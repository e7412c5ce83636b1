"""Makes text from outside harmless for a terminal."""

from __future__ import annotations

from functools import lru_cache


def sanitize(text: str | bytes) -> str:
    """One line without control or bidirectional override characters: they are shown by number.

    Args:
        text: what may hold anything, an escape sequence included; bytes needn't be UTF-8.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _shown(char) for char in text)


@lru_cache(maxsize=1024)  # long texts are of few characters
def _shown(char: str) -> str:
    from unicodedata import category  # rarely needed

    if char in "\n\r\t":
        return " "
    if category(char) == "Zs":
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
