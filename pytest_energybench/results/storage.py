"""Stored runs, the baselines of later ones: `NAME.json` in a folder that is kept in git."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from pytest_energybench.base.flags import partly_without
from pytest_energybench.results.errors import StorageError, one_line
from pytest_energybench.results.model import Case, Run
from pytest_energybench.results.run_file import read_run, write_run

DEFAULT_FOLDER = ".energy"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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
