"""Energy against accuracy, and the cases that no other case beats in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report import figures
from pytest_energybench.report.charts.scale import Scale, Tick, around, magnitudes
from pytest_energybench.report.text import LONGEST_NAME, listed, plural, shorten
from pytest_energybench.report.view import EST, CaseView

HEIGHT = 300
MOST_POINTS = 400
_NAMED_IN_FINDING = 3
SHAPES = 6
PARAMETER = "method"


@dataclass(frozen=True, slots=True)
class Series:
    """A method: its name and the number of its shape and colour."""

    name: str
    shape: int


@dataclass(frozen=True, slots=True)
class Point:
    """A case on the plane: `x` in percent, `y` in pixels; `rank` numbers the front's points.

    `shape` is that of its method, 0 where cases have none.
    """

    case: CaseView
    x: float
    y: float
    rank: int | None
    shape: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of the Pareto front's staircase."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Plane:
    """A scatter plot with its front.

    Attributes:
        here: where "no change" lies as (x %, y px), on a plane of changes.
        finding: what the plot shows, in a sentence.
    """

    key: str
    heading: str
    x_label: str
    y_label: str
    height: int
    points: tuple[Point, ...]
    front: tuple[Point, ...]
    steps: tuple[Step, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    here: tuple[float, float] | None
    finding: str
    left_out: int
    time_ratio: bool


def series(cases: Sequence[CaseView]) -> tuple[Series, ...]:
    """The methods in the order they appear; none where any case has no method."""
    if not cases or not all(PARAMETER in case.source.params for case in cases):
        return ()
    names = dict.fromkeys(method_of(case) for case in cases)
    return tuple(Series(name, index % SHAPES) for index, name in enumerate(names))


def method_of(case: CaseView) -> str:
    """The method's name as shown."""
    return sanitize(str(case.source.params.get(PARAMETER, "")))


def planes(cases: Sequence[CaseView]) -> tuple[Plane, ...]:
    """The plane of the figures themselves, and that of changes where groups have a reference."""
    absolute = [
        (case, joules, case.accuracy.value)
        for case in cases
        if (joules := figures.joules(case.source)) is not None
        and joules > 0
        and case.accuracy.value is not None
    ]
    changes = [
        (case, 1 + change.value, case.accuracy_change)
        for case in cases
        if (change := case.changes.get("group")) is not None and case.accuracy_change is not None
    ]
    shape_of = {entry.name: entry.shape for entry in series(cases)}
    made = []
    if len(absolute) > 1:
        made.append(_absolute(absolute, len(cases), shape_of))
    if len(changes) > 1:
        made.append(_relative(changes, len(cases), shape_of))
    return tuple(made)


Entry = tuple[CaseView, float, float]


def _absolute(entries: Sequence[Entry], number: int, shape_of: Mapping[str, int]) -> Plane:
    text = f"{len(entries):,} of {plural(number, 'case')} have both figures."
    groups = {case.source.group for case, _, _ in entries}
    if len(groups) == 1 and None not in groups:
        text += f" {_front(entries)}"
        shown, left_out = _most(entries)
        ranks = {entry[0].key: rank for rank, entry in enumerate(pareto(shown), 1)}
    else:
        shown, left_out, ranks = entries[:MOST_POINTS], max(0, len(entries) - MOST_POINTS), {}
    x, y = magnitudes(e[1] for e in shown), around(e[2] for e in shown)
    points, front = _points(shown, x, y, shape_of, _figures_text, ranks)
    return Plane(
        key="plane",
        heading="Energy against accuracy",
        x_label="energy" + (", logarithmic" if x.log else ""),
        y_label="accuracy",
        height=HEIGHT,
        points=points,
        front=front,
        steps=_steps(front),
        x_ticks=x.ticks(lambda value: quantities.energy(value, uncertainty=value).text, 4),
        y_ticks=_down(y, lambda value: f"{value:.3g}"),
        here=None,
        finding=text,
        left_out=left_out,
        time_ratio=False,
    )


def _relative(entries: Sequence[Entry], number: int, shape_of: Mapping[str, int]) -> Plane:
    shown, left_out = entries[:MOST_POINTS], max(0, len(entries) - MOST_POINTS)
    x = around([1.0, *(e[1] for e in shown)])
    y = around([0.0, *(e[2] for e in shown)])
    energy = _counted(case.changes["group"].finding for case, _, _ in entries)
    accuracy = _counted(case.group_accuracy_finding or "not judged" for case, _, _ in entries)
    time_ratio = all(case.changes["group"].time_ratio for case, _, _ in entries)
    points, _ = _points(
        shown, x, y, shape_of, partial(_change_text, mark="" if time_ratio else EST), {}
    )
    return Plane(
        key="plane-change",
        heading="Change against each group's reference",
        x_label="energy relative to the reference",
        y_label="accuracy, points",
        height=HEIGHT,
        points=points,
        front=(),
        steps=(),
        x_ticks=x.ticks(lambda value: quantities.percent(value - 1, uncertainty=1.0), 4),
        y_ticks=_down(y, quantities.points),
        here=(x.at(1.0), _y(y, 0.0)),
        finding=f"{len(entries):,} of {plural(number, 'case')} have both changes. "
        f"Energy: {energy}. Accuracy: {accuracy}.",
        left_out=left_out,
        time_ratio=time_ratio,
    )


def _counted(words: Iterable[str]) -> str:
    return listed([f"{count:,} {word}" for word, count in Counter(words).most_common()])


def _figures_text(case: CaseView) -> str:
    return f"{case.energy.text}, accuracy {case.accuracy.text}"


def _change_text(case: CaseView, *, mark: str) -> str:
    energy = quantities.percent(case.changes["group"].value) + mark * case.estimated
    return f"energy {energy}, accuracy {quantities.in_points(case.accuracy_change or 0.0)}"


def _most(entries: Sequence[Entry]) -> tuple[Sequence[Entry], int]:
    """All that fit on a plane, the front always among them."""
    if len(entries) <= MOST_POINTS:
        return entries, 0
    front = pareto(entries)
    kept = {id(entry) for entry in (*front, *entries[: max(0, MOST_POINTS - len(front))])}
    return [entry for entry in entries if id(entry) in kept], len(entries) - len(kept)


def pareto(entries: Sequence[Entry]) -> list[Entry]:
    """Entries that no other beats: none has less energy at the same accuracy or a higher one."""
    front: list[Entry] = []
    for entry in sorted(entries, key=lambda e: (e[1], -e[2])):
        if not front or entry[2] > front[-1][2]:
            front.append(entry)
    return front


def _points(
    entries: Sequence[Entry],
    x: Scale,
    y: Scale,
    shape_of: Mapping[str, int],
    text: Callable[[CaseView], str],
    ranks: Mapping[str, int],
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    points = tuple(
        Point(
            case=case,
            x=x.at(energy),
            y=_y(y, accuracy),
            rank=ranks.get(case.key),
            shape=shape_of.get(method_of(case), 0),
            text=text(case),
        )
        for case, energy, accuracy in entries
    )
    front = sorted((p for p in points if p.rank is not None), key=lambda p: p.rank or 0)
    return points, tuple(front)


def _y(scale: Scale, value: float) -> float:
    return round(HEIGHT * (1 - scale.at(value) / 100), 1)


def _down(scale: Scale, label: Callable[[float], str]) -> tuple[Tick, ...]:
    return tuple(Tick(round(HEIGHT * (1 - t.at / 100), 1), t.label) for t in scale.ticks(label, 5))


def _steps(front: Sequence[Point]) -> tuple[Step, ...]:
    """From each point of the front along its accuracy to the next one's energy, then up."""
    steps = []
    for left, right in pairwise(front):
        steps.append(Step(left.x, left.y, right.x, left.y))
        steps.append(Step(right.x, left.y, right.x, right.y))
    return tuple(steps)


def _front(entries: Sequence[Entry]) -> str:
    """Which cases of one group no other beats; across groups that would compare unlike work."""
    front = pareto(entries)
    names = [shorten(case.label, LONGEST_NAME) for case, _, _ in front[:_NAMED_IN_FINDING]]
    more = len(front) - len(names)
    named = listed([*names, f"{more} more"] if more else names)
    verb = "is" if len(front) == 1 else "are"
    return f"{len(front)} {verb} not beaten in both energy and accuracy: {named}."
