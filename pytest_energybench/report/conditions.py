"""What a run was made at, by and under, in words: commit, meters, machine, margin, rounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pytest_energybench.base.flags import BUSY, spoils
from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report import answers, figures
from pytest_energybench.report.text import listed, plural
from pytest_energybench.results.compatibility import hosts_of
from pytest_energybench.results.model import Comparison, Run, StoredRun, distinct

REFERENCES: Mapping[str, str] = {
    "group": "each group's reference",
    "pair": "the other function of a test",
    "budget": "stated budgets",
}


def commit(run: Run) -> str:
    """The commit that a run was made at, with its branch; of several their ids."""
    commits = distinct(run.commits)
    if not commits:
        return ""
    if len(commits) > 1:  # no figure of such a run is of one code alone
        ids = [f"{each.id[:7]}{' with changes' if each.dirty else ''}" for each in commits]
        more = [f"{len(ids) - 5} more"] if len(ids) > 5 else []
        return sanitize(
            f"stitched of cases made at {len(ids)} commits: {', '.join(ids[:5] + more)}"
        )
    (made_at,) = commits
    branch = f"{made_at.branch} " if made_at.branch else ""
    dirty = " with uncommitted changes" if made_at.dirty else ""
    return sanitize(f"{branch}{made_at.id[:7]}{dirty}")


def references(run: Run) -> str:
    """What its cases were held against."""
    judged = [each for case in run.cases for each in case.comparisons if each.judged]
    stored = (each for each in judged if each.reference == "stored" and each.estimate is not None)
    names = dict.fromkeys(sanitize(each.name) for each in stored)
    asked = set(map(answers.kind_of_reference, judged))
    words = (text for reference, text in REFERENCES.items() if reference in asked)
    return listed([*names, *words])


def conditions(run: Run, *, held: bool) -> tuple[str, ...]:
    """Machine, margin and rounds.

    Args:
        held: any figure was set against a stored run's.
    """
    judged = _judged(run)
    found = [_machine(run.compared_with, held), _margins(judged), _rounds(run, judged)]
    return tuple(filter(None, found))


def meters(run: Run) -> Iterator[str]:
    """What was read, by provenance."""
    words: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for host in hosts_of(run):
        for meter in host.meters:
            words[meter.provenance][f"{meter.domain} by {meter.source}"] = None
    for provenance, read in words.items():
        yield sanitize(f"{provenance}: {', '.join(read)}")


def without(run: Run) -> str:
    """What could not be read and was allowed to be missing; empty if nothing."""
    found = dict.fromkeys(
        f"{name} on {host.name}" if run.hosts else name
        for host in hosts_of(run)
        if (name := str(host.settings.get("without") or ""))
    )
    names = sanitize(", ".join(found))
    return f"without {names}, which was allowed to be missing" if names else ""


def quiet(run: Run) -> str:
    """Whether the machine was, as far as that was looked at."""
    rounds = [each for case in run.cases for each in case.rounds]
    busy = sum(any(spoils(flag) == BUSY for flag in each.flags) for each in rounds)
    flagged = sum(bool(figures.flags(case)) for case in run.cases)
    if busy:
        return f"machine busy in {busy:,} of {plural(len(rounds), 'round')}"
    if flagged:
        return f"{plural(flagged, 'case')} flagged"
    return "no round was flagged" if rounds else ""


def _judged(run: Run) -> list[Comparison]:
    """Judged comparisons of energy; where there is a stored run those with it alone."""
    has_stored = run.compared_with is not None
    return [
        each
        for case in run.cases
        for each in case.comparisons
        if each.quantity == "energy" and each.judged is not None
        if each.reference == "stored" or not has_stored
    ]


def _machine(stored: StoredRun | None, held: bool) -> str:
    if stored is None:
        return ""
    return sanitize("; ".join(stored.differences)) or "same machine" * held


def _margins(judged: Sequence[Comparison]) -> str:
    margins = sorted({each.margin for each in judged if each.margin is not None})
    if not margins:
        return ""
    least = f"s {quantities.share(margins[0])} to" if len(margins) > 1 else ""
    return f"margin{least} {quantities.share(margins[-1])}"


def _rounds(run: Run, judged: Sequence[Comparison]) -> str:
    numbers = sorted({len(case.rounds) for case in run.cases if case.rounds})
    if not numbers:
        return ""
    if numbers == [1]:
        return "1 round" + ", so no bounds" * all(each.interval is None for each in judged)
    least = f"{numbers[0]:,} to " if len(numbers) > 1 else ""
    return f"{least}{plural(numbers[-1], 'round')}"
