"""Names for exactly these images: another folder has another, a copy of it has the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

ALL_READ = 20_000
"""Of so many files all bytes are read; of more, those of a sample, since reading takes minutes."""

SAMPLED = 1_000

END = 1 << 20

Labelled = tuple[str | os.PathLike[str], int]
"""An image file and its class number."""


def of_files(root: str | os.PathLike[str], splits: Sequence[Sequence[Labelled]]) -> str:
    """By the images' names below `root`, classes, sizes and contents, and the split they are in."""
    digest = hashlib.sha256()
    total = sum(map(len, splits))
    stride = 1 if total <= ALL_READ else total // SAMPLED
    start = len(os.path.join(root, ""))
    number = 0
    for split, samples in enumerate(splits):
        for file, label in samples:
            name = os.fspath(file)[start:].encode("utf-8", "surrogateescape")
            digest.update(b"%d %d %d %s\0" % (split, label, os.stat(file).st_size, name))
            if number % stride == 0:
                digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
            number += 1
    return digest.hexdigest()[:16]


def of_ends(files: Sequence[Path]) -> str:
    """By names, sizes and the first and last MiB of each file: weights of one size differ at their
    beginning, and an archive's end has the checksums of all its parts.

    Raises OSError where a file can't be read.
    """
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            length = os.fstat(stream.fileno()).st_size
            digest.update(b"%d %s\0" % (length, os.fsencode(file.name)))
            digest.update(stream.read(END))
            stream.seek(max(0, length - END))
            digest.update(stream.read(END))
    return digest.hexdigest()[:16]


def of_bytes(parts: Iterable[bytes | memoryview]) -> str:
    """By what is held in memory."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d\0" % memoryview(part).nbytes)
        digest.update(part)
    return digest.hexdigest()[:16]
