"""Which items of a test set were answered rightly, as a short text in a run file.

A bit an item, compressed: some hundred characters for 2,500 images of which 2 % are wrong. Tokens
of a text that follow each other are not independent, and blocks of it nearly so: of a text figures
are kept by block.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Final

from pytest_energybench.results.model import Case

BLOCK_ACCURACY: Final = "test accuracy by block"
BLOCK_LOSS: Final = "test loss by block"
"""Names of the curves that hold figures by block, in one order in all cases of a text."""


def pack(right: Sequence[bool]) -> str:
    """`2500:eNpj...`: the number of items, and a bit for each, 1 where the answer was right."""
    bits = int("".join("1" if each else "0" for each in reversed(right)) or "0", 2)
    content = zlib.compress(bits.to_bytes(_bytes(len(right)), "little"), 9)
    return f"{len(right)}:{base64.b64encode(content).decode('ascii')}"


def unpack(text: str) -> tuple[int, int] | None:
    """The number of items, and their bits as one number; None for what `pack` did not write."""
    count, _, packed = text.partition(":")
    if not (count.isascii() and count.isdecimal() and len(count) < 10):
        return None
    total = int(count)
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(base64.b64decode(packed, validate=True), _bytes(total) + 1)
    except (ValueError, zlib.error):
        return None
    bits = int.from_bytes(content, "little")
    whole = reader.eof and len(content) == _bytes(total) and bits >> total == 0
    return (total, bits) if whole else None


def _bytes(total: int) -> int:
    return (total + 7) // 8


def by_block(case: Case, name: str) -> tuple[float, ...]:
    """The figures of a case's only round, block after block; empty where there are none."""
    if len(case.rounds) != 1:
        return ()
    found = [each for each in case.series if each.name == name]
    return tuple(value for _, value in found[0].points) if len(found) == 1 else ()
