"""Run files, budgets and journals that something has damaged: the same damage for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

NUMBERS = ["1e999", "-1e999", "NaN", "Infinity", "9" * 400, "-1", "1e308", "5e-324", "0.0", "2e30"]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 2**63, 2**64, 10**400, 0.5, "", "x", "\x1b[31m", "\u202e", "\0"),
    *([], {}, [[]], {"": {}}, [None], {"kind": "new"}, "\ud800", "x" * 10_000, [0] * 1000),
]
BYTES = [
    b"",
    b"\xff",
    b"\0",
    b"\n",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"=",
    b"\xef\xbb\xbf",
    b"\x1b[2J",
]

Damage = Callable[[random.Random, bytes], bytes]


def cut(dice: random.Random, content: bytes) -> bytes:
    """The end is missing."""
    return content[: dice.randrange(len(content))]


def overwritten(dice: random.Random, content: bytes) -> bytes:
    """Some bytes are others."""
    changed = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def inserted(dice: random.Random, content: bytes) -> bytes:
    """Something stands where nothing should."""
    place = dice.randrange(len(content))
    return content[:place] + dice.choice(BYTES) * dice.randint(1, 3) + content[place:]


def doubled(dice: random.Random, content: bytes) -> bytes:
    """A piece stands there twice, as after a bad merge."""
    start, end = sorted(dice.randrange(len(content)) for _ in range(2))
    return content[:end] + content[start:end] + content[end:]


def conflict(dice: random.Random, content: bytes) -> bytes:
    """Git could not merge it."""
    lines = content.split(b"\n")
    place = dice.randrange(len(lines))
    marked = [b"<<<<<<< HEAD", lines[place], b"=======", lines[place][::-1], b">>>>>>> theirs"]
    return b"\n".join([*lines[:place], *marked, *lines[place + 1 :]])


def renumbered(dice: random.Random, content: bytes) -> bytes:
    """A number is one that can't be."""
    places = [place for place, byte in enumerate(content) if 0x30 <= byte <= 0x39]
    place = dice.choice(places)
    return content[:place] + dice.choice(NUMBERS).encode() + content[place + 1 :]


def nested(dice: random.Random, content: bytes) -> bytes:
    """Brackets without end."""
    place = dice.randrange(len(content))
    return content[:place] + dice.choice([b"[", b'{"a":']) * 50_000 + content[place:]


def replaced(dice: random.Random, content: bytes) -> bytes:
    """A value of the first JSON line is another one, of whatever type; the text stays JSON."""
    first, _, rest = (
        content.partition(b"\n") if content.startswith(b'{"journal') else (content, b"", b"")
    )
    try:
        document = json.loads(first)
    except (ValueError, RecursionError):
        return overwritten(dice, content)
    holder: Any = document
    while True:
        key = dice.choice(sorted(holder) if isinstance(holder, dict) else range(len(holder)))
        child = holder[key]
        if not isinstance(child, dict | list) or not child or dice.random() < 0.15:
            break
        holder = child
    if dice.random() < 0.1 and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = dice.choice(VALUES)
    return json.dumps(document).encode() + (b"\n" + rest if rest else b"")


DAMAGES: list[Damage] = [
    *(cut, overwritten, inserted, doubled, conflict, renumbered, nested),
    *([replaced] * 5),
]


def damaged(seed: int, content: bytes) -> bytes:
    """The content with one to three damages."""
    dice = random.Random(seed)
    for _ in range(dice.choice([1, 1, 2, 3])):
        if content:
            content = dice.choice(DAMAGES)(dice, content)
    return content
