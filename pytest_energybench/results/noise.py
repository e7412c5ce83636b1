"""What `energybench null` found: the smallest change that a machine can tell from none.

Kept beside the stored runs, one floor for each machine, set of meters and case. The file's name is
none that a stored run can have.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.errors import RunFileError, named
from pytest_energybench.results.model import Run
from pytest_energybench.results.run_file import ContentError, decode, read_bytes

FILE = "_noise.json"


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
    path = Path(folder) / FILE
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
    path = Path(folder) / FILE
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
