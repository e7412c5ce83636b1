"""Stored runs, the baselines of later ones: `NAME.json` in a folder that is kept in git.

Beside them lies what `energybench null` found: the smallest change that a machine can tell from
none, one floor for each machine, set of meters and case.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from pytest_energybench.base.flags import partly_without
from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.errors import RunFileError, StorageError, named, one_line
from pytest_energybench.results.model import Case, Run
from pytest_energybench.results.run_file import (
    ContentError,
    decode,
    read_bytes,
    read_run,
    write_run,
)

DEFAULT_FOLDER = ".energy"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

NOISE_FILE = "_noise.json"
"""No stored run can have this name."""


class Storage:
    """Runs by name in one folder."""

    def __init__(self, folder: str | os.PathLike[str] = DEFAULT_FOLDER) -> None:
        self.folder = Path(folder)

    def path(self, name: str) -> Path:
        """Where the run of that name is, or would be.

        Raises:
            StorageError: the name could be no plain file name in this folder.
        """
        if not _NAME.fullmatch(name) or name.endswith(".json"):
            raise StorageError(
                one_line(
                    f"{_shown(name)!r} is no name for a stored run: letters, digits, '.', '_' and"
                    " '-', starting with a letter or digit, without '.json' and at most 100 long"
                )
            )
        return self.folder / f"{name}.json"

    def save(self, name: str, run: Run, *, overwrite: bool = False) -> Path:
        """Store a run's good figures under a name; see `good_figures`.

        Raises:
            StorageError: the name is none.
            WriteError: it is taken and `overwrite` is False, or it can't be written; what was
                stored under it stays.
        """
        path = self.path(name)
        write_run(good_figures(run), path, overwrite=overwrite)
        return path

    def load(self, name_or_path: str) -> Run:
        """A stored run by its name, or any run file by its path.

        Raises:
            StorageError: no run is stored under that name; tells which names there are.
            RunFileError: the file is there and isn't a run.
        """
        path = self.resolve(name_or_path)
        if not is_path(name_or_path) and not os.path.lexists(path):
            there = ", ".join(self.names()) or "none"
            raise StorageError(
                one_line(
                    f"no run is stored as {_shown(name_or_path)!r} in {self.folder}"
                    f" (there: {there})"
                )
            )
        return read_run(path)

    def resolve(self, name_or_path: str) -> Path:
        """The file that is meant: what holds a `/` or ends in `.json` is a path, else a name.

        Raises:
            StorageError: it is neither.
        """
        return Path(name_or_path) if is_path(name_or_path) else self.path(name_or_path)

    def names(self) -> list[str]:
        """The names under which runs are stored, sorted; empty without a folder."""
        if not self.folder.is_dir():
            return []
        stems = (path.stem for path in self.folder.glob("*.json") if path.is_file())
        return sorted(stem for stem in stems if _NAME.fullmatch(stem))


def _shown(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:99]}…"


def is_path(name_or_path: str) -> bool:
    """Whether a user's text means a path instead of a name."""
    return "/" in name_or_path or os.sep in name_or_path or name_or_path.endswith(".json")


def good_figures(run: Run) -> Run:
    """The run without the cases whose figures are no reference for later ones."""
    return msgspec.structs.replace(run, cases=[case for case in run.cases if is_good(case)])


def is_good(case: Case) -> bool:
    """Whether a case did its work to the end, and its energy is known and of the same domains in
    all windows.

    A case that failed, errored or was skipped may have stopped half way.
    """
    ended = case.outcome in ("passed", "xpassed", "xfailed")
    is_known = case.total_j is not None and not case.missing
    flags = (flag for each in case.rounds for flag in each.flags)
    return ended and is_known and not partly_without(case.provenance, flags)


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """One case against itself on one machine.

    Attributes:
        machine: fingerprint of the machine.
        meters: domains and their sources, as `meters_of` writes them.
        nodeid: the case.
        floor: relative increase from which on a change can be told (0.07 is 7 %).
        pairs: pairs of rounds it rests on.
    """

    machine: str
    meters: str
    nodeid: str
    floor: float
    pairs: int
    created: str = ""


_DECODER = msgspec.json.Decoder(list[Floor])


def meters_of(run: Run) -> str:
    """What a run was metered with, in one text."""
    return ", ".join(sorted(f"{meter.domain} {meter.source}" for meter in run.meters))


def read_floors(folder: str | os.PathLike[str]) -> list[Floor]:
    """All floors that are kept in a folder of stored runs; none without the file.

    Raises:
        RunFileError: the file can't be read, or holds something else.
    """
    path = Path(folder) / NOISE_FILE
    if not os.path.lexists(path):
        return []
    try:
        return decode(read_bytes(path), _DECODER)
    except ContentError as error:
        raise RunFileError(named(path, str(error))) from error


def keep_floors(folder: str | os.PathLike[str], found: Iterable[Floor]) -> Path:
    """Add floors to those that are kept; of the same machine, meters and case the new one counts.

    Raises:
        RunFileError: what is kept can't be read, or the file can't be written.
    """
    kept = {(each.machine, each.meters, each.nodeid): each for each in read_floors(folder)}
    kept |= {(each.machine, each.meters, each.nodeid): each for each in found}
    content = msgspec.json.format(msgspec.json.encode(list(kept.values())), indent=2)
    path = Path(folder) / NOISE_FILE
    write_atomically(path, content + b"\n", overwrite=True)
    return path


def floor_of(run: Run, nodeid: str, floors: Sequence[Floor]) -> float | None:
    """The floor of a case on the run's machine and meters.

    Where only others were measured there, the lowest of them; None where none was.
    """
    meters = meters_of(run)
    here = [f for f in floors if (f.machine, f.meters) == (run.machine.fingerprint, meters)]
    own = [each.floor for each in here if each.nodeid == nodeid]
    return min(own or (each.floor for each in here), default=None)
