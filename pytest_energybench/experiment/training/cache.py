"""State dicts kept between runs, each with a checksum, so that a damaged file is noticed.

The checksum goes over the file's name, too, which stands for all that the weights depend on: a file
that was renamed is not taken for what it isn't. It proves that nothing has changed by accident; who
may write into the folder can write a right one, so what is read is data alone, never a pickle.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from platformdirs import user_cache_path
from torch import Tensor

MAGIC = b"energybench-weights-2 "

Key = Mapping[str, str | int | float | bool]
"""Everything that the cached weights depend on."""


def default_folder() -> Path:
    """Where weights are cached for this user; `XDG_CACHE_HOME` moves it on Linux."""
    return user_cache_path("pytest-energybench") / "weights"


def cached_file(folder: Path, name: str, key: Key) -> Path:
    """The file that belongs to `key`; another key gives another file."""
    text = json.dumps(dict(key), sort_keys=True)
    return folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.weights"


def write(file: Path, state: Mapping[str, Tensor]) -> None:
    """Write `state` whole or not at all: a reader never sees half a file."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    payload = buffer.getvalue()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(MAGIC + _digest(file, payload) + b"\n")
            stream.write(payload)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(file: Path) -> dict[str, Tensor]:
    """The state dict in `file`, on the CPU.

    Raises ValueError when its content is not what was written, OSError when it cannot be read.
    """
    header, _, payload = file.read_bytes().partition(b"\n")
    if header != MAGIC + _digest(file, payload):
        raise ValueError(f"checksum does not match: {file}")
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ValueError(f"holds no weights: {file}") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"holds no weights: {file}")
    return state


def _digest(file: Path, payload: bytes) -> bytes:
    return hashlib.sha256(file.name.encode() + b"\n" + payload).hexdigest().encode()


def cached(
    file: Path, make: Callable[[], Mapping[str, Tensor]]
) -> tuple[Mapping[str, Tensor], list[str]]:
    """The state dict in `file`, or a new one from `make`, then written there.

    Returns it with notes for the report: a damaged file is said so and made again, and so is one
    that can't be written, for which the work was not in vain.
    """
    notes: list[str] = []
    if os.path.isfile(file):  # where a folder on the way is closed to us: no, and no error
        try:
            return read(file), notes
        except (ValueError, OSError) as error:
            notes.append(f"cached weights were damaged and made again: {error}")
    state = make()
    try:
        write(file, state)
    except OSError as error:
        notes.append(f"weights not cached, so that the next run makes them again: {error}")
    return state, notes
