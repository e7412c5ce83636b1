"""Who may work while a window is open: two windows at once would spoil each other's joules.

One lock stands for the machine, and one for each GPU. Windows hold what they meter exclusively;
heavy work that isn't metered (a warm start, a search) holds it shared. A window that meters GPUs
holds those and only a share of the machine, so that workers with a GPU each run side by side; their
joules of processor and memory are then flagged as shared.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.lock import HAS_FLOCK, FileLock, Patience, file_lock, open_file

FOLDER_VARIABLE = "ENERGYBENCH_LOCK_DIR"
SYSTEM_FOLDER = Path("/tmp/energybench-locks")
"""The same for every user of the machine, unlike TMPDIR."""


class Exclusion:
    """The locks that a meter's windows need.

    Attributes:
        problem: why windows aren't exclusive here, where they aren't.
    """

    def __init__(
        self,
        gpus: tuple[str, ...] = (),
        *,
        folder: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            gpus: what tells the metered GPUs apart on this machine (their UUIDs).
            folder: where the lock files are; by default `ENERGYBENCH_LOCK_DIR`, or one in /tmp
                that all users share.
            patience: how long to wait for others, and whom to tell.
        """
        self.patience = patience or Patience()
        self.problem: Problem | None = None
        folder = folder or Path(os.environ.get(FOLDER_VARIABLE) or SYSTEM_FOLDER)
        self._machine = file_lock(folder / "machine")
        self._gpus = tuple(file_lock(folder / f"gpu-{uuid}") for uuid in sorted(gpus))
        if not HAS_FLOCK:
            self.problem = Problem("lock", "windows aren't exclusive: no flock on this system")
            return
        try:
            _make_folder(folder)
            for lock in (self._machine, *self._gpus):
                os.close(open_file(lock.path))
        except OSError as error:
            why = f"windows aren't exclusive: {error}"
            self.problem = Problem("lock", why, f"set {FOLDER_VARIABLE} to a folder for all users")

    def enter(self) -> None:
        """A window begins: wait until nobody else meters or works hard on what it meters.

        Raises:
            LockTimeoutError: somebody did for longer than `patience` allows.
        """
        if self.problem is None:
            self._acquire(not self._gpus, True)

    def leave(self) -> str | None:
        """The window ended; a flag where its processor's joules were shared with a neighbour."""
        if self.problem is not None:
            return "not exclusive: other processes may have metered at the same time"
        flag = None
        if self._gpus and self._machine.others():
            flag = "cpu and memory shared: another process worked beside this window"
        elif self._machine.inherited:
            flag = "inside a window of the process that started this one"
        self._release(not self._gpus, True)
        return flag

    @contextmanager
    def heavy(self) -> Iterator[None]:
        """Hold the machine for heavy work that isn't metered: beside other such work, no window.

        Raises:
            LockTimeoutError: a window lasted longer than `patience` allows.
        """
        if self.problem is not None:
            yield
            return
        self._acquire(False, False)
        try:
            yield
        finally:
            self._release(False, False)

    def _acquire(self, machine: bool, gpus: bool) -> None:
        """All locks in one order for everybody, shared or exclusive; none where one fails."""
        self._machine.acquire(machine, self.patience)
        held: list[FileLock] = []
        try:
            for lock in self._gpus:
                lock.acquire(gpus, self.patience)
                held.append(lock)
        except BaseException:
            for lock in held:
                lock.release(gpus)
            self._machine.release(machine)
            raise

    def _release(self, machine: bool, gpus: bool) -> None:
        for lock in self._gpus:
            lock.release(gpus)
        self._machine.release(machine)


def _make_folder(folder: Path) -> None:
    """Make the folder that every user of the machine may put lock files into."""
    if not folder.is_dir():
        folder.mkdir(mode=0o1777, parents=True, exist_ok=True)
        folder.chmod(0o1777)  # mkdir's mode is cut by the umask
    if stat.S_ISLNK(os.lstat(folder).st_mode):
        raise OSError(f"{folder} is a link, so whose locks these are isn't certain")
