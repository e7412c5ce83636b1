"""What cases used over time: `history.jsonl` beside the stored runs, a line a case and run.

A line stands alone and none is ever changed, so that git may merge the file by union.
"""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from pytest_energybench.base.domains import kind_of
from pytest_energybench.base.flags import spoils
from pytest_energybench.results.atomic import make_folder
from pytest_energybench.results.compatibility import heads, likeness
from pytest_energybench.results.errors import (
    RunFileError,
    StorageError,
    WriteError,
    cause,
    named,
    one_line,
)
from pytest_energybench.results.git import MAIN
from pytest_energybench.results.model import (
    Case,
    Commit,
    Joules,
    Round,
    Run,
    Seconds,
    Series,
    Units,
)
from pytest_energybench.results.run_file import ContentError, decode, read_bytes
from pytest_energybench.results.storage import is_good

FILE = "history.jsonl"
VERSION = 1
TREND = 30
"""Earlier runs that a case's curve shows where nobody asked for a number."""

_ASKED = re.compile(r"history:(?P<runs>[1-9][0-9]{0,5})(?:@(?P<branch>\S+))?")


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One case in one run.

    Attributes:
        v: version of the line's form.
        likeness: short hash of machine, meters, settings, number of rounds and functional units;
            only entries with the same one are compared.
        rounds_j: IT energy of each round in joules.
        units: functional unit -> how many of it each round made.
        estimated: some of its joules come from a model.
        spoiled: why its rounds decide nothing, e.g. `machine busy`; empty where they do.
    """

    v: Annotated[int, Meta(ge=1)]
    nodeid: str
    created: str
    likeness: str
    rounds_j: Annotated[list[Joules], Meta(min_length=1)]
    units: dict[str, list[Units]] = field(default_factory=dict)
    duration_s: Seconds = 0.0
    commit: Commit | None = None
    estimated: bool = False
    spoiled: str = ""

    @property
    def is_dirty(self) -> bool:
        """Whether it is a figure of uncommitted changes."""
        return self.commit is not None and self.commit.dirty

    @property
    def is_of_no_branch(self) -> bool:
        """Whether it is of a commit that git knew no branch of."""
        return self.commit is not None and self.commit.branch is None

    @property
    def left_out(self) -> str:
        """Why no run is compared with it; empty where one may be."""
        if self.is_dirty:
            return "uncommitted changes"
        if self.is_of_no_branch:
            return "a commit of no branch that git knows"
        return self.spoiled

    def is_of(self, branch: str) -> bool:
        """Whether it is of the branch ("": `main` or `master`); without git it is of any."""
        return self.commit is None or self.commit.branch in ((branch,) if branch else MAIN)

    def joules(self, unit: str = "") -> float:
        """The geometric mean over the rounds, whole or per functional unit; 0.0 where a round has
        no ratio or is 0."""
        counts = self.units[unit] if unit else [1.0] * len(self.rounds_j)
        if not all(counts) or not all(self.rounds_j):
            return 0.0
        return geometric_mean(j / n for j, n in zip(self.rounds_j, counts, strict=True))


_DECODER = msgspec.json.Decoder(Entry)
_ENCODER = msgspec.json.Encoder()


class Asked(NamedTuple):
    """What `history:K` asks for: the last `runs` runs of a branch; "" is `main` or `master`."""

    runs: int
    branch: str = ""


def parse_asked(text: str) -> Asked | None:
    """`history:10` or `history:10@trunk`; None for the name of a stored run.

    Raises:
        StorageError: it begins like one and isn't.
    """
    if not text.startswith("history:"):
        return None
    found = _ASKED.fullmatch(text)
    if found is None:
        raise StorageError(f"{text!r}: history:K or history:K@BRANCH, K runs, 1 or more")
    return Asked(int(found["runs"]), found["branch"] or "")


def entries_of(run: Run) -> list[Entry]:
    """A line for each good case of a run; none of a case that xfailed, which may have ended at any
    place, and none of a run of several commits, which says of no case of which it is."""
    if len(codes(run)) > 1:
        return []
    by_host = heads(run)
    return [
        Entry(
            v=VERSION,
            nodeid=case.nodeid,
            created=run.created,
            likeness=likeness_of(case, by_host.get(case.host, run)),
            rounds_j=[each.total_j for each in case.rounds if each.total_j is not None],
            units={unit: [each.units[unit] for each in case.rounds] for unit in case.units},
            duration_s=case.duration_s,
            commit=run.commit,
            estimated="estimated" in case.provenance.values(),
            spoiled=next(
                (why for each in case.rounds for flag in each.flags if (why := spoils(flag))), ""
            ),
        )
        for case in run.cases
        if is_good(case) and case.outcome != "xfailed" and case.rounds
    ]


def codes(run: Run) -> set[tuple[str, bool]]:
    """Commits that cases of a run were made at, each with whether files differed from it."""
    return {(each.id, each.dirty) for each in run.commits}


def likeness_of(case: Case, head: Run) -> str:
    """See `Entry.likeness`."""
    metered = sorted(f"{kind_of(domain)} {word}" for domain, word in case.provenance.items())
    return likeness(head, [len(case.rounds), sorted(case.units), metered])


def append_history(folder: str | os.PathLike[str], entries: Sequence[Entry]) -> Path:
    """Add lines to the file in a folder of stored runs, all or none; makes both.

    Raises:
        WriteError: it can't be written; what was there stays.
    """
    path = Path(folder) / FILE
    content = b"".join(_ENCODER.encode(entry) + b"\n" for entry in entries)
    try:
        make_folder(path.parent)
        with open(path, "a+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                content = content if file.read(1) == b"\n" else b"\n" + content
            try:
                written = file.write(content)
                if written != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise WriteError(named(path, f"cannot be written: {cause(error)}")) from error
    return path


def read_history(folder: str | os.PathLike[str]) -> list[Entry]:
    """All lines in the order of their runs, each once.

    Raises:
        RunFileError: there is no file, or a line is none; names its number.
    """
    path = Path(folder) / FILE
    if not os.path.lexists(path):
        raise RunFileError(named(path, "is not there; pytest --energy-history begins it"))
    found: dict[bytes, Entry] = {}
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = decode(line, _DECODER)
        except ContentError as error:
            raise RunFileError(named(path, f"line {number}: {error}")) from error
        if entry.v != VERSION:
            raise RunFileError(named(path, f"line {number} is of version {entry.v}, not {VERSION}"))
        if any(len(each) != len(entry.rounds_j) for each in entry.units.values()):
            raise RunFileError(named(path, f"line {number}: counts and rounds differ in number"))
        found[line] = entry
    return sorted(found.values(), key=lambda entry: entry.created)


def told_left_out(entries: Iterable[Entry]) -> str:
    """Why no run is compared with some of them, and with how many; empty where there are none:
    `uncommitted changes (2), machine busy (1)`."""
    whys = Counter(entry.left_out for entry in entries if entry.left_out)
    return ", ".join(f"{why} ({number:,})" for why, number in whys.items())


def last_runs(run: Run, entries: Sequence[Entry], asked: Asked) -> tuple[Run, dict[str, str]]:
    """What a run is compared with: for each of its cases the last earlier runs, as rounds.

    Runs of the run's own code are left out: they are no reference for it. Those of a commit that
    it has uncommitted changes on are.

    Returns:
        a run with one round for each earlier run, and node id -> why a case that has earlier runs
        can't be compared with any.
    """
    own_code = None if run.commit is None or run.commit.dirty else run.commit.id
    earlier = [
        entry
        for entry in entries
        if entry.is_of(asked.branch)
        and not entry.is_dirty
        and (entry.commit is None or entry.commit.id != own_code)
    ]
    by_nodeid: dict[str, list[Entry]] = {}
    for entry in earlier:
        by_nodeid.setdefault(entry.nodeid, []).append(entry)
    by_host = heads(run)
    cases: list[Case] = []
    refused: dict[str, str] = {}
    for case in run.cases:
        own = likeness_of(case, by_host.get(case.host, run))
        found = by_nodeid.get(case.nodeid, [])
        alike = [entry for entry in found if not entry.left_out and entry.likeness == own]
        if found and not alike and case.rounds:
            refused[case.nodeid] = (
                f"no earlier run of the case ({len(found)}) has this machine (quiet), its meters"
                f" and settings, as many rounds ({len(case.rounds)}) and the same units"
            )
        if found:
            cases.append(_as_case(case, alike[-asked.runs :]))
    last = next((entry for entry in reversed(earlier) if not entry.left_out), None)
    return (
        replace(
            run,
            created=last.created if last is not None else "",
            commits=[last.commit] if last is not None and last.commit is not None else [],
            cases=cases,
            failures=[],
            errors=[],
        ),
        refused,
    )


def check_branch(entries: Iterable[Entry], asked: Asked) -> None:
    """Refuse a branch that no run is of, as a stored run that isn't there is refused.

    Raises:
        StorageError: names the branches that there are.
    """
    if any(entry.is_of(asked.branch) and not entry.is_dirty for entry in entries):
        return
    there = {entry.commit.branch for entry in entries if entry.commit and entry.commit.branch}
    raise StorageError(
        one_line(
            f"{FILE} has no run of {asked.branch or ' or '.join(MAIN)} without uncommitted changes"
            f" (its branches: {', '.join(sorted(there)) or 'none'})"
        )
    )


def _as_case(case: Case, entries: Sequence[Entry]) -> Case:
    rounds = []
    for entry in entries:
        joules = entry.joules()
        per_unit = {unit: entry.joules(unit) for unit in entry.units}
        rounds.append(
            Round(
                started=entry.created,
                duration_s=entry.duration_s,
                energy_j={},
                total_j=joules,
                units={unit: joules / ratio if ratio else 0.0 for unit, ratio in per_unit.items()},
            )
        )
    return Case(
        nodeid=case.nodeid,
        name=case.name,
        host=case.host,
        rounds=rounds,
        provenance=case.provenance,
    )


def with_trends(run: Run, earlier: Run) -> Run:
    """The run with a curve in each case: its earlier runs, counted backwards, and it itself."""
    known = {case.nodeid: [each.total_j for each in case.rounds] for case in earlier.cases}
    cases = []
    for case in run.cases:
        values = [each for each in known.get(case.nodeid, []) if each is not None]
        if values and case.total_j is not None:
            points = [
                (float(at - len(values)), value) for at, value in enumerate([*values, case.total_j])
            ]
            trend = Series(name="energy", x="runs before this one", unit="J", points=points)
            case = replace(case, series=[*case.series, trend])
        cases.append(case)
    return replace(run, cases=cases)
