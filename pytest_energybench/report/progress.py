"""A long run in words: the case that runs, a case that has ended, where the time went."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report.text import display_width, pad, plural
from pytest_energybench.results.model import Case

_WIDEST_LABEL = 48
_MOST_RUNNING = 3


def case_labels(nodeids: Sequence[str]) -> list[str]:
    """What tells cases apart: the parameters where all are of one test, else the test's name."""
    tests = [nodeid.partition("[")[0] for nodeid in nodeids]
    if len(nodeids) > 1 and len(set(tests)) == 1:
        found = [
            nodeid[len(test) :].strip("[]") for nodeid, test in zip(nodeids, tests, strict=True)
        ]
    else:
        found = [
            test.rpartition("::")[2] + nodeid[len(test) :]
            for nodeid, test in zip(nodeids, tests, strict=True)
        ]
    uses = Counter(found)
    return [
        sanitize(name if name and uses[name] == 1 else nodeid)
        for nodeid, name in zip(nodeids, found, strict=True)
    ]


class Roll:
    """The session's cases by number: `[2/5] convnext_base-amp`."""

    def __init__(self, nodeids: Sequence[str]) -> None:
        self._places = {nodeid: place for place, nodeid in enumerate(nodeids, 1)}
        self._labels = dict(zip(nodeids, case_labels(nodeids), strict=True))
        widths = map(display_width, self._labels.values())
        self._width = min(_WIDEST_LABEL, max(widths, default=0))

    def __contains__(self, nodeid: str) -> bool:
        return nodeid in self._places

    def running(
        self,
        nodeid: str,
        seconds: float,
        *,
        words: Sequence[str] = (),
        joules: float | None = None,
        estimated: bool = False,
    ) -> str:
        """`[2/5] convnext_base-amp: train, epoch 3 of at most 6, 38 s, ~0.9 kJ`

        Args:
            seconds: since the test began.
            words: what is being done, from the large to the small.
            joules: of the window that is open.
        """
        parts = [*(sanitize(each) for each in words if each), _waited(seconds)]
        if joules is not None:
            parts.append(quantities.energy(joules, estimated=estimated).text)
        return f"{self._named(nodeid)}: {', '.join(parts)}"

    def finished(self, case: Case) -> str:
        """`[2/5] convnext_base-amp   1.92 kJ   1:57   6 epochs`: energy and time as metered."""
        estimated = "estimated" in case.provenance.values()
        energy = quantities.energy(case.total_j, estimated=estimated).text
        name = pad(self._named(case.nodeid), self._width + len(self._number(case.nodeid)) + 1)
        parts = [name, f"{energy:>8}", f"{quantities.clock(case.duration_s):>7}"]
        epochs = case.metrics.get("epochs")
        if isinstance(epochs, int):
            parts.append(plural(epochs, "epoch"))
        if case.outcome != "passed":
            parts.append(case.outcome)
        return "  ".join(parts)

    def _number(self, nodeid: str) -> str:
        count = len(self._places)
        return f"[{self._places[nodeid]:>{len(str(count))}}/{count}]"

    def _named(self, nodeid: str) -> str:
        return f"{self._number(nodeid)} {self._labels[nodeid]}"


def all_running(lines: Sequence[str]) -> str:
    """What several processes do at once, in one line."""
    more = len(lines) - _MOST_RUNNING
    return "; ".join(lines[:_MOST_RUNNING]) + (f"; and {more} more" if more > 0 else "")


def seconds_metered(cases: Iterable[Case]) -> dict[str, float]:
    """Seconds of windows: those that count together, those beside by their names.

    A window that several tests share counts once.
    """
    found: defaultdict[str, float] = defaultdict(float)
    seen = set()
    for case in cases:
        for window in case.windows:
            key = (window.name, window.started, window.duration_s)
            if window.place == "inner" or key in seen:
                continue
            seen.add(key)
            found["metered" if window.place == "counted" else window.name] += window.duration_s
    return dict(found)


def where_time_went(seconds: float, spent: Mapping[str, float], *, together: bool = False) -> str:
    """`18:03 in all: 12:50 metered, 2:40 search, 2:30 warm start, 0:03 other`

    Full seconds, cut off, so that the parts with what is left as `other` make up the whole.

    Args:
        seconds: of the session.
        spent: seconds by name; below one second they go into `other`, as do those without a name.
        together: they are sums over several processes, and so no parts of `seconds`.
    """
    named = {name: math.floor(each) for name, each in spent.items() if name and each >= 1}
    order = sorted(named, key=lambda name: (name != "metered", -named[name]))
    other = math.floor(seconds) - sum(named.values())
    parts = [f"{quantities.clock(named[name])} {sanitize(name)}" for name in order]
    if other > 0 and parts and not together:
        parts.append(f"{quantities.clock(other)} other")
    whole = f"{quantities.clock(seconds)} in all"
    if not parts:
        return whole
    return f"{whole}{'; all processes together' if together else ''}: {', '.join(parts)}"


def _waited(seconds: float) -> str:
    return f"{math.floor(seconds)} s" if seconds < 60 else quantities.clock(seconds)
