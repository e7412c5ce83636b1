"""The journal of a session: each finished case is on the disk before the next one starts.

One JSON object a line. The first is `{"journal": 1, "run": {...}}`, a run without cases: machine,
meters, settings. Every other is `{"case": {...}}`, or `{"host": {...}}` before the first case of
one of several hosts. A case that stands there twice counts as it stands last. Whoever writes holds
the operating system's lock on the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from pytest_energybench.base.file_lock import try_lock
from pytest_energybench.base.system import WINDOWS, open_flags
from pytest_energybench.results.atomic import make_folder, replace, sync_folder
from pytest_energybench.results.errors import RunFileError, WriteError, cause, named
from pytest_energybench.results.model import Case, Host, Run
from pytest_energybench.results.run_file import (
    ContentError,
    Head,
    check_encodable,
    check_version,
    decode,
    read_bytes,
)

JOURNAL_VERSION = 1

T = TypeVar("T")


class HeldError(WriteError):
    """Another process is writing the journal."""


class _Versions(msgspec.Struct):
    journal: Any = None
    run: Head | None = None


class _First(msgspec.Struct):
    journal: int
    run: Run


class _Entry(msgspec.Struct, omit_defaults=True):
    case: Case | None = None
    host: Host | None = None


_OPENING = b'{"journal":'
"""How every journal starts, so that no other file is taken for one that was torn at once."""

_VERSIONS = msgspec.json.Decoder(_Versions)
_FIRST = msgspec.json.Decoder(_First)
_ENTRY = msgspec.json.Decoder(_Entry)


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What a journal holds.

    Attributes:
        run: the session as far as it got; each case once.
        torn: the last line was cut short (the process was killed while writing it) and left out.
        good_bytes: length of the file without that line.
    """

    run: Run
    torn: bool
    good_bytes: int


def has_begun(path: str | os.PathLike[str]) -> bool:
    """Whether there is a journal that got as far as its first line.

    One whose process was killed before that holds nothing that could be lost.

    Raises:
        RunFileError: it can't be read.
    """
    return os.path.exists(path) and not _is_torn_at_once(read_bytes(path))


def read_journal(path: str | os.PathLike[str]) -> JournalContent:
    """Everything in a journal; a torn last line is left out and said.

    Raises:
        RunFileError: it can't be read, or another line than the last is damaged; names the line.
    """
    return parse_journal(path, read_bytes(path))


class JournalReader:
    """Follows a journal that another process writes: each look reads what came since the last."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._lines = self._bytes = 0

    def further(self) -> list[Case]:
        """The cases that are there since the last look, none of them half written.

        Raises:
            RunFileError: it can't be read, or a line is damaged; names the line.
        """
        if not os.path.exists(self._path):
            return []
        try:
            with open(self._path, "rb") as file:
                file.seek(self._bytes)
                content = file.read()
        except OSError as error:
            raise RunFileError(named(self._path, f"cannot be read: {cause(error)}")) from error
        *lines, rest = content.split(b"\n")
        found = []
        for number, line in enumerate(lines, start=self._lines + 1):
            entry = _at(self._path, number, _first if number == 1 else _entry, line)
            if isinstance(entry, Case):
                found.append(entry)
        self._lines += len(lines)
        self._bytes += len(content) - len(rest)
        return found


class Journal:
    """A journal that is being written; use it as a context manager, or close it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def claim(cls, path: str | os.PathLike[str]) -> Journal:
        """Keep other processes from a journal; where there is none, an empty one is made, and its
        folder. Nothing is written before `begin`.

        Raises:
            HeldError: another process has it.
            WriteError: it can't be written.
        """
        try:
            make_folder(Path(path).parent)
        except OSError as error:
            raise WriteError(named(path, f"cannot be written: {cause(error)}")) from error
        while True:
            journal = cls._open(Path(path))
            if WINDOWS:  # where nobody can take an open file's name away
                return journal
            with suppress(OSError):
                if os.path.samestat(os.fstat(journal._descriptor), os.stat(path)):
                    return journal
            journal.close()  # whoever had it has just thrown it away

    @classmethod
    def create(cls, path: str | os.PathLike[str], head: Run) -> Journal:
        """Start a journal; creates the folder.

        Args:
            head: the session: machine, meters, settings. Its cases are not written.

        Raises:
            WriteError: there is a journal already, or it can't be written.
        """
        if has_begun(path):
            raise WriteError(named(path, "is there already: resume it or delete it"))
        journal = cls.claim(path)
        try:
            journal.begin(head)
        except BaseException:
            journal.discard()
            raise
        return journal

    def begin(self, head: Run) -> Run:
        """Make it ready for the next case, and give what it holds.

        A torn last line is removed. A journal that is empty, or whose first line is torn, is
        started anew.

        Args:
            head: the session as it would have been started now.

        Raises:
            RunFileError: the journal is damaged.
            WriteError: it can't be written.
        """
        content = read_bytes(self._path)
        if not _is_torn_at_once(content):
            found = parse_journal(self._path, content)
            self._truncate(found.good_bytes)
            return found.run
        self._truncate(0)
        self._start(head)
        sync_folder(self._path.parent)
        return msgspec.structs.replace(head, cases=[])

    def discard(self) -> None:
        """Delete it, while no other process can have it."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._give_name_up(lambda: os.unlink(self._path))

    def move_aside(self, aside: Path) -> None:
        """Close it and let it go by another name, while no other process can have it.

        Raises:
            HeldError: another process has it.
            WriteError: it can't be renamed.
        """
        try:
            self._give_name_up(lambda: replace(self._path, aside))
        except OSError as error:
            held = WINDOWS and isinstance(error, PermissionError)
            why = named(self._path, f"cannot be renamed: {cause(error)}")
            raise (HeldError if held else WriteError)(why) from error

    def _give_name_up(self, change: Callable[[], None]) -> None:
        """Close it, and change its name while no other process can have it.

        Elsewhere the lock keeps others away until the change is done. Windows changes no name of an
        open file: who opens it after this process has closed it keeps it as it is.
        """
        if WINDOWS:
            self.close()
        try:
            change()
        finally:
            self.close()

    @classmethod
    def _open(cls, path: Path) -> Journal:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | open_flags()
        try:
            descriptor = os.open(path, flags, 0o666)
        except OSError as error:
            raise WriteError(named(path, f"cannot be written: {cause(error)}")) from error
        try:
            if try_lock(descriptor):
                return cls(path, descriptor)
        except OSError as error:
            os.close(descriptor)
            why = f"cannot be locked, so another process could write it, too: {cause(error)}"
            raise WriteError(named(path, why)) from error
        os.close(descriptor)
        raise HeldError(named(path, "is being written by another process"))

    def append(self, case: Case) -> None:
        """Put a finished case on the disk; when this returns, the case survives a crash.

        Raises:
            WriteError: it can't be written; the journal stays as it was.
        """
        self._entry("case", case)

    def append_host(self, host: Host) -> None:
        """Put one of several hosts on the disk, before the first of its cases.

        Raises:
            WriteError: as for a case.
        """
        self._entry("host", host)

    def close(self) -> None:
        """Let go of the file and its lock; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, head: Run) -> None:
        first = {"journal": JOURNAL_VERSION, "run": msgspec.structs.replace(head, cases=[])}
        self._append(msgspec.json.encode(first))

    def _entry(self, name: str, value: Case | Host) -> None:
        try:
            check_encodable(value, f"$.{name}")
        except ContentError as error:
            raise WriteError(named(self._path, f"is not written: {error}")) from error
        self._append(msgspec.json.encode({name: value}))

    def _append(self, line: bytes) -> None:
        before = os.fstat(self._descriptor).st_size
        try:
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError as error:
            self._truncate(before)  # half a line in the middle would damage what comes after it
            raise WriteError(named(self._path, f"cannot be written: {cause(error)}")) from error

    def _truncate(self, length: int) -> None:
        try:
            os.ftruncate(self._descriptor, length)
            os.fsync(self._descriptor)
        except OSError as error:
            raise WriteError(named(self._path, f"cannot be written: {cause(error)}")) from error


def _is_torn_at_once(content: bytes) -> bool:
    return b"\n" not in content and _OPENING.startswith(content[: len(_OPENING)])


def parse_journal(path: str | os.PathLike[str], content: bytes) -> JournalContent:
    """As `read_journal`, from what the file holds; `path` is for messages.

    Raises:
        RunFileError: as there.
    """
    *lines, rest = content.split(b"\n")
    if not lines:
        raise RunFileError(named(path, "line 1: is no journal of energybench, or a torn one"))
    run = _at(path, 1, _first, lines[0])
    cases: dict[str, Case] = {}
    hosts: dict[str, Host] = {}
    for number, line in enumerate(lines[1:], start=2):
        entry = _at(path, number, _entry, line)
        if isinstance(entry, Host):
            hosts[entry.name] = entry
            continue
        cases.pop(entry.nodeid, None)
        cases[entry.nodeid] = entry
    run = msgspec.structs.replace(run, cases=list(cases.values()), hosts=list(hosts.values()))
    return JournalContent(run=run, torn=bool(rest), good_bytes=len(content) - len(rest))


def _at(path: str | os.PathLike[str], number: int, read: Callable[[bytes], T], line: bytes) -> T:
    try:
        return read(line)
    except ContentError as error:
        raise RunFileError(named(path, f"line {number}: {error}")) from error


def _first(line: bytes) -> Run:
    versions = decode(line, _VERSIONS)
    if versions.journal is None or versions.run is None:
        raise ContentError("is no journal of energybench")
    if versions.journal != JOURNAL_VERSION or isinstance(versions.journal, bool):
        raise ContentError(
            f"is of journal version {versions.journal!r}, and this energybench reads version "
            f"{JOURNAL_VERSION} - at `$.journal`"
        )
    check_version(versions.run)
    return decode(line, _FIRST).run


def _entry(line: bytes) -> Case | Host:
    entry = decode(line, _ENTRY)
    found = entry.case or entry.host
    if found is None:
        raise ContentError("Object missing required field `case`")
    return found
