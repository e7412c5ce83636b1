"""Text in three splits, by document, from what every Python has or from files of the user's.

Documents that share a line are one: Python's topics repeat whole sections of each other, and a test
on a section that was trained on would measure memory. What a model is pretrained on shares no line
with what is held out.
"""

from __future__ import annotations

import platform
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from pytest_energybench.experiment.training.datasets.data import Splits, TensorSplit
from pytest_energybench.experiment.training.datasets.fingerprints import of_bytes
from pytest_energybench.experiment.training.errors import DataError

TOPICS: Final = "topics"
"""The word for the text that comes with Python: `pydoc_data.topics`."""

TELLING: Final = 40
"""Characters of a line that tells where it is from; shorter ones are in many texts by chance."""

TEST_SHARE, VALIDATION_SHARE = 0.15, 0.08
"""Of all text: of Python's topics some 60,000 and 30,000 bytes, so that a point is hundreds."""

SOURCES_BYTES: Final = 2_000_000
"""Of the standard library's sources so much is read at most."""

LEFT_OUT: Final = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "pydoc_data", "site-packages", "encodings"}
)
"""Folders of the standard library that are no programs to learn from, or the topics themselves."""

Encode = Callable[[str], list[int]]
"""From text to tokens."""

Documents = Mapping[str, str]
"""Name -> text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextData(Splits):
    """Text as windows of tokens, each with the token that follows.

    Attributes:
        length: tokens of a window.
        held_out: the telling lines of validation and test.
    """

    length: int
    held_out: frozenset[str]


def to_bytes(text: str) -> list[int]:
    """A token a byte of its UTF-8: a vocabulary of 256 that needs no training."""
    return list(text.encode())


def documents(source: str) -> Documents:
    """Python's topics, or the text files below the folder of `text:PATH`.

    Raises DataError for a folder without text.
    """
    kind, _, path = source.partition(":")
    if kind == TOPICS:
        from pydoc_data.topics import topics

        return dict(topics)
    folder = Path(path).expanduser()
    found = {}
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        try:
            found[file.relative_to(folder).as_posix()] = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # no text
        except OSError as error:
            raise DataError(f"unreadable text {file}: {error}") from error
    if not found:
        raise DataError(f"no text in {folder} (given as text:PATH): UTF-8 files are meant")
    return found


def standard_library(held_out: frozenset[str]) -> str:
    """Sources of this Python, some of each part, without files that share a line with `held_out`.

    Raises DataError where Python came without its sources.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = [
        file for file in folder.rglob("*.py") if LEFT_OUT.isdisjoint(file.relative_to(folder).parts)
    ]
    texts, size = [], 0
    for file in sorted(files, key=lambda each: sha256(each.name.encode()).digest()):
        text = file.read_text("utf-8", "replace")
        if size < SOURCES_BYTES and held_out.isdisjoint(lines(text)):
            texts.append(text)
            size += len(text)
    if not texts:
        raise DataError(f"no Python sources in {folder}: give --bench-weights=DIR")
    return "\n".join(texts)


def lines(text: str) -> set[str]:
    """The lines of `text` that tell where they are from."""
    stripped = (line.strip() for line in text.splitlines())
    return {line for line in stripped if len(line) >= TELLING}


def groups(texts: Documents) -> list[list[str]]:
    """Names of documents, together those that share a telling line, also through others."""
    first: dict[str, str] = {}
    leader = {name: name for name in texts}

    def found(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for name, text in texts.items():
        for line in lines(text):
            leader[found(name)] = found(first.setdefault(line, name))
    together: dict[str, list[str]] = {}
    for name in texts:
        together.setdefault(found(name), []).append(name)
    return list(together.values())


def text_data(source: str, encode: Encode, length: int, device: torch.device) -> TextData:
    """The text of `source`, split by document, in windows of `length` tokens on `device`.

    Raises DataError for text that can't be split, or is too short.
    """
    texts = documents(source)
    parts = _parts(texts)
    splits = {
        name: windows_of("\n".join(texts[each] for each in part), encode, length, device)
        for name, part in parts.items()
    }
    for name, split in splits.items():
        if len(split) == 0:
            raise DataError(
                f"{source}: {name} has no text of {length} tokens: documents that share a line of"
                f" {TELLING} characters stay together, and {len(texts)} make too few groups"
            )
    held_out = (lines(texts[each]) for name in ("validation", "test") for each in parts[name])
    return TextData(
        **splits,
        length=length,
        held_out=frozenset().union(*held_out),
        fingerprint=f"{source.partition(':')[0]}-{length}-python{platform.python_version()}-"
        + of_bytes(_contents(splits)),
    )


def _parts(texts: Documents) -> dict[str, list[str]]:
    """Split -> names. Each group, in an order that its text decides, goes where there is room."""
    total = sum(map(len, texts.values()))
    room = {"test": TEST_SHARE * total, "validation": VALIDATION_SHARE * total}
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for group in sorted(groups(texts), key=lambda names: sha256(texts[names[0]].encode()).digest()):
        size = sum(len(texts[name]) for name in group)
        part = next((name for name, left in room.items() if size <= left), "train")
        room[part] = room.get(part, 0.0) - size
        parts[part] += group
    return parts


def _contents(splits: Mapping[str, TensorSplit]) -> Iterator[bytes]:
    for split in splits.values():
        yield from (ids.cpu().numpy().tobytes() for ids, _ in split.ordered(1024))


def windows_of(text: str, encode: Encode, length: int, device: torch.device) -> TensorSplit:
    """Windows of `length` tokens of one text, one after the other; what fills none is left out."""
    tokens = encode(text)
    count = max(0, (len(tokens) - 1) // length)
    if not count:
        nothing: Tensor = torch.empty(0, 1, dtype=torch.int64)
        return TensorSplit(nothing, nothing)
    flat = torch.tensor(tokens[: count * length + 1], dtype=torch.int64, device=device)
    return TensorSplit(flat[:-1].view(-1, length), flat[1:].view(-1, length))
