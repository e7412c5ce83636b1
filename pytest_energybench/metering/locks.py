"""One window at a time on a machine: named locks, shared or exclusive, whoever their users are.

They are the operating system's own: when a process dies, however it dies, what it held is free.
Within one process a lock nests and never waits: a thread inside a window may open another
window, which is part of the first.

A file shows who holds it last, so that a process started from inside a window (a data loader's
worker, say) is recognised as part of it and doesn't wait for its own parent.

Two windows at once would spoil each other's joules. One lock stands for the machine, and one for
each GPU. Windows hold what they meter exclusively; heavy work that isn't metered (a warm start, a
search) holds it shared. A window that meters GPUs holds those and only a share of the machine, so
that workers with a GPU each run side by side; their joules of processor and memory are then flagged
as shared.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pytest_energybench.base.file_lock import try_lock, unlock
from pytest_energybench.base.flags import INSIDE_ANOTHER, NOT_EXCLUSIVE, SHARED
from pytest_energybench.base.system import LINUX, WINDOWS, open_flags, tell_after_fork
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.errors import LockTimeoutError, Problem

__tracebackhide__ = True  # a user's mistake is shown at the user's line

SHARED_MODE, EXCLUSIVE_MODE = 1, 2
TOKEN_SIZE = 32
"""Bytes of a lock file: process id and id space, fixed so that a new one covers the old."""
CHECK_S = 60.0
"""How often an open lock file is compared with the one on disk: something may tidy /tmp."""


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class Patience(NamedTuple):
    """How to wait for a lock that somebody else holds.

    Attributes:
        limit_s: seconds until waiting is given up.
        tell: gets a line for people after `quiet_s`, and once a minute from then on.
        quiet_s: seconds of waiting before a message.
        clock: measures the waiting.
        sleep: lets time pass between two tries.
    """

    limit_s: float = 3600.0
    tell: Callable[[str], None] = _to_stderr
    quiet_s: float = 1.0
    clock: Clock = SYSTEM_CLOCK
    sleep: Callable[[float], None] = SYSTEM_CLOCK.sleep

    def tries(self, what: str, holder: Callable[[], str]) -> Iterator[None]:
        """One item per try; returns never: the caller stops when a try succeeded.

        Raises:
            LockTimeoutError: the limit is over.
        """
        start = self.clock.monotonic()
        told = start + self.quiet_s
        pause = 0.001
        while True:
            yield
            now = self.clock.monotonic()
            if now - start >= self.limit_s:
                raise LockTimeoutError(
                    f"{what} is still held by {holder()} after {now - start:.0f} s; "
                    "wait for it to end, or raise the limit"
                )
            if now >= told:
                self.tell(f"energybench: waiting for {what}, held by {holder()}")
                told = now + 60.0
            self.sleep(pause)
            pause = min(pause * 1.5, 0.05)


class FileLock:
    """A named lock of this machine: shared or exclusive, counted within the process.

    Attributes:
        path: the file.
        inherited: the lock is held by a process that this one was started from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inherited = False
        self._gate = path.with_name(f"{path.name}.gate")
        self._mutex = threading.Lock()
        self._fd = -1
        self._checked = 0.0
        self._exclusive = 0
        self._shared = 0
        self._mode = 0
        self._token = _token(os.getpid())
        tell_after_fork(self)

    def after_fork(self) -> None:
        """A child holds nothing. It closes its copy, or the lock would outlive a killed parent."""
        self._mutex = threading.Lock()
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._exclusive = self._shared = self._mode = 0
        self._token = _token(os.getpid())

    def probe(self) -> None:
        """Find out whether there can be such a lock; holds nothing.

        Raises:
            OSError: the files can't be opened, or the file system has no locks.
        """
        os.close(open_file(self.path))
        self._is_awaited()

    def acquire(self, exclusive: bool, patience: Patience) -> None:
        """Hold the lock once more; every call needs its own `release`.

        Raises:
            LockTimeoutError: somebody else held it for all of `patience`.
            OSError: the file can't be opened.
        """
        with self._mutex:
            if self._at_once(exclusive):
                return
        gate = open_file(self._gate)
        try:
            first = False
            for _ in patience.tries(f"the lock {self.path}", self.holder):
                # One waits at the lock, the others at the gate: new shared holders can't keep a
                # waiting window out for ever.
                first = first or try_lock(gate)
                with self._mutex:
                    if (first and self._take(exclusive)) or self._join(exclusive):
                        return
        finally:
            os.close(gate)

    def release(self, exclusive: bool) -> None:
        """Undo one `acquire` of the same kind."""
        with self._mutex:
            if exclusive:
                self._exclusive -= 1
            else:
                self._shared -= 1
            if self._exclusive:
                return
            mode = SHARED_MODE if self._shared else 0
            if self._mode and self._mode != mode:
                if mode:
                    self._share()
                else:
                    unlock(self._fd)
                self._mode = mode
            if not mode:
                self.inherited = False

    def others(self) -> bool:
        """Whether another process holds it, too, or did since this process took it (shared)."""
        with self._mutex:
            if self.inherited or self._mode != SHARED_MODE:
                return False
            came = self._last() != self._token
            alone = try_lock(self._fd)
            self._share()
            return came or not alone

    def holder(self) -> str:
        """Who holds or held it last, for people."""
        with self._mutex:
            token = self._last().split()
        return f"process {int(token[0])}" if token else "another process"

    def _at_once(self, exclusive: bool) -> bool:
        """Take the lock if nobody has it or waits for it."""
        held = self._mode or self.inherited
        if not self._take(exclusive):
            return self._join(exclusive)
        if not exclusive and not held and self._is_awaited() and self._last() not in _ancestry():
            self._shared -= 1
            unlock(self._fd)
            self._mode = 0
            return False
        return True

    def _take(self, exclusive: bool) -> bool:
        """Take the lock, or a stronger hold on it, if nobody else's hold forbids it."""
        wanted = EXCLUSIVE_MODE if exclusive else SHARED_MODE
        if self._mode not in (wanted, EXCLUSIVE_MODE) and not self.inherited:
            if self._fd < 0 or SYSTEM_CLOCK.monotonic() - self._checked > CHECK_S:
                self._open()
            if not try_lock(self._fd, shared=not exclusive):
                if self._mode:  # what we had is let go where no more is given
                    self._mode = SHARED_MODE if try_lock(self._fd, shared=True) else 0
                return False
            self._mode = wanted
            if self._last() != self._token:
                os.lseek(self._fd, 0, os.SEEK_SET)
                os.write(self._fd, self._token)
        if exclusive:
            self._exclusive += 1
        else:
            self._shared += 1
        return True

    def _share(self) -> None:
        """Hold it shared from now on; it is let go for a moment, in which another may take it."""
        while not try_lock(self._fd, shared=True):
            SYSTEM_CLOCK.sleep(0.001)

    def _join(self, exclusive: bool) -> bool:
        """Be part of what the holder does if this process was started from it."""
        self._open()
        if self._last() not in _ancestry() or try_lock(self._fd, shared=True):
            return False
        self.inherited = True
        return self._take(exclusive)

    def _is_awaited(self) -> bool:
        """Whether somebody stands in the gate."""
        gate = open_file(self._gate)
        try:
            return not try_lock(gate)
        finally:
            os.close(gate)

    def _open(self) -> None:
        """Open the file, again where the one on disk isn't ours any more."""
        if self._fd >= 0 and not _same(self._fd, self.path):
            os.close(self._fd)
            self._fd = -1
        if self._fd < 0:
            self._fd = open_file(self.path)
        self._checked = SYSTEM_CLOCK.monotonic()

    def _last(self) -> bytes:
        """Token of the process that took it last; empty for a new file. Under the mutex: not every
        system can read without moving the file's position."""
        if hasattr(os, "pread"):
            return os.pread(self._fd, TOKEN_SIZE, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        return os.read(self._fd, TOKEN_SIZE)


_locks: dict[Path, FileLock] = {}


def file_lock(path: Path) -> FileLock:
    """This process's one lock object for `path`: several meters of a process share it."""
    return _locks.setdefault(path, FileLock(path))


def _ancestry() -> set[bytes]:
    """Tokens of this process's parent, its parent, and so on."""
    if not LINUX:
        import psutil

        try:
            return {_token(parent.pid) for parent in psutil.Process().parents()}
        except psutil.Error:  # one ended just now
            return {_token(os.getppid())}
    found: set[bytes] = set()
    pid = os.getppid()
    while pid > 0 and (token := _token(pid)) not in found:
        found.add(token)
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:  # it ended, or nobody may look
            break
    return found


def _token(pid: int) -> bytes:
    """Who a process is: its id, and the id space that the number belongs to (containers)."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        space = 0
    return b"%-11d%-20d\n" % (pid, space)


def open_file(path: Path) -> int:
    """Open a lock file, making it for all users where it is missing.

    A file that exists is opened without O_CREAT: in a sticky folder the kernel refuses that for
    other users' files (fs.protected_regular).
    """
    flags = os.O_RDWR | open_flags("O_NOFOLLOW")
    while True:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            try:
                fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                continue
            if hasattr(os, "fchmod"):
                os.fchmod(fd, 0o666)
            return fd


def _same(fd: int, path: Path) -> bool:
    if WINDOWS:  # where no name of an open file can be taken away
        return True
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


FOLDER_VARIABLE = "ENERGYBENCH_LOCK_DIR"
_EVERYBODYS = os.environ.get("PROGRAMDATA", "C:/ProgramData") if WINDOWS else "/tmp"
SYSTEM_FOLDER = Path(_EVERYBODYS) / "energybench-locks"
"""The same for every user of the machine, unlike TMPDIR."""


class MachineLock:
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
            folder: where the lock files are; by default `ENERGYBENCH_LOCK_DIR`, or one that all
                users of the machine share.
            patience: how long to wait for others, and whom to tell.
        """
        self.patience = patience or Patience()
        self.problem: Problem | None = None
        folder = folder or Path(os.environ.get(FOLDER_VARIABLE) or SYSTEM_FOLDER)
        self._machine = file_lock(folder / "machine")
        names = sorted(re.sub(r"[^\w.-]", "_", gpu) for gpu in gpus)  # a device may be a path
        self._gpus = tuple(file_lock(folder / f"gpu-{name}") for name in names)
        try:
            _make_folder(folder)
            for lock in (self._machine, *self._gpus):
                lock.probe()
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
            return f"{NOT_EXCLUSIVE}: other processes may have metered at the same time"
        flag = None
        if self._gpus and self._machine.others():
            flag = f"{SHARED}: another process worked beside this window"
        elif self._machine.inherited:
            flag = INSIDE_ANOTHER
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
