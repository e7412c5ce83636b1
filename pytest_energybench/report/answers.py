"""What a comparison says: the two figures that were compared, and what follows from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import geometric_mean, median

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.gates.statistics import rounds_to_tell
from pytest_energybench.report import figures
from pytest_energybench.report.text import plural
from pytest_energybench.results.model import MORE_THAN, NOT_JUDGED, Case, Comparison

_LEAST_TELLING = 1.1
"""Times from which on a ratio says more than a percentage."""
_REFERENCES = {
    "budget": "the budget",
    "group": "the group's",
    "stored": "the stored run",
    "pair": "",  # the name says it all
}


def compared(case: Case, comparison: Comparison) -> str:
    """`96.7 J → 120.7 J`, the reference first, so that the ratio of the two is the change that was
    judged; of a limit `52.5 J of 50.0 J`, or `0.940 of at least 0.950`."""
    pair = sides(case, comparison)
    if pair is None:
        return ""
    theirs, ours = pair
    if is_limit(comparison):
        return f"{ours} of {'at least ' * (comparison.quantity == 'accuracy')}{theirs}"
    return f"{theirs} → {ours}"


def is_limit(comparison: Comparison) -> bool:
    """Whether it is a limit that the figure was held against, and no other figure."""
    return comparison.reference == "budget" and comparison.margin is None


def against(comparison: Comparison) -> str:
    """`the group's plain`, `the stored run main`: what it was held against."""
    kind = kind_of_reference(comparison)
    if kind == "budget" and not is_limit(comparison):
        return f"the stated {comparison.quantity}"
    return f"{_REFERENCES.get(kind, kind)} {comparison.name}".strip()


def whose(comparison: Comparison) -> str:
    """`against the group's plain`, of an accuracy with the drop that is allowed; empty where the
    reason, the figures' source or what the run was held against says it."""
    judged = comparison.judged
    is_named = judged is not None and judged.reason.startswith(MORE_THAN)
    if is_named or comparison.reference == "stored" or is_limit(comparison):
        return ""
    drop = allowed(comparison) if comparison.quantity == "accuracy" else ""
    return ", ".join(filter(None, [f"against {against(comparison)}", drop]))


def ended_otherwise(case: Case) -> bool:
    """Whether no rule decides the result but how the test ended: it raised, or was skipped."""
    result = case.result
    return (
        result is not None
        and result.reason == NOT_JUDGED
        and not any(each.judged and each.judged.reason == NOT_JUDGED for each in case.comparisons)
    )


def kind_of_reference(comparison: Comparison) -> str:
    """`stored`, `group`, `budget`; `pair` where it is the other function of one test, which is in
    no group."""
    is_pair = comparison.reference == "group" and comparison.nodeid is None and comparison.name
    return "pair" if is_pair else comparison.reference


def sides(case: Case, comparison: Comparison) -> tuple[str, str] | None:
    """The reference's figure or limit, and the case's, told apart, estimates marked; None where
    either is unknown."""
    limit, change = comparison.limit, figures.finite(comparison.estimate)
    if change is None:
        return None
    if comparison.quantity == "accuracy":
        ours = figures.accuracy_of(case.metrics)
        if ours is None:
            return None
        if limit is not None:  # the case's own mean is of rounds without a pair, too
            ours = limit + (comparison.margin or 0.0) + change
        return quantities.accuracies(ours - change, ours)
    base = limit if comparison.reference == "budget" else _middle(comparison)
    if not base:
        return None
    if comparison.quantity == "energy":
        pair = quantities.energies(base, base * (1 + change), sanitize(comparison.unit))
        mark = quantities.ESTIMATE_MARK if figures.estimated_domains(case) else ""
        return (pair[0] if comparison.reference == "budget" else mark + pair[0]), mark + pair[1]
    return quantities.durations(base, base * (1 + change))


def in_line(case: Case, comparison: Comparison) -> str:
    """`96.7 → 120.7 J  +24.8 % [+23.4, +26.2]`: both sides as they were compared, the change, and
    how sure it is; empty where either side is not known."""
    estimate, pair = comparison.estimate, sides(case, comparison)
    if estimate is None or pair is None:
        return ""
    theirs, ours = pair
    is_accuracy = comparison.quantity == "accuracy"
    change = quantities.in_points(estimate) if is_accuracy else quantities.percent(estimate)
    if is_limit(comparison):
        words = [comparison.name, f"window {comparison.window!r}" if comparison.window else ""]
        source = "".join(f"  {sanitize(word)}" for word in words if word)
        sign = ("<" if estimate < 0 else "≥") if is_accuracy else (">" if estimate > 0 else "≤")
        return f"{ours} {sign} {theirs}  {change}{source}"
    if is_accuracy:
        sure = quantities.points_bounds(comparison.interval)
        return f"{theirs} → {ours}  {change} {sure}".rstrip()
    sure = quantities.bounds(comparison.interval) or "in 1 round"
    both = re.sub(r"^(\S+) (\S+) → (\S+ \2)$", r"\1 → \3", f"{theirs} → {ours}")  # one unit
    return f"{both}  {change} {sure}"


def _middle(comparison: Comparison) -> float | None:
    """The reference's figure that the change is relative to."""
    joules: Sequence[float] = comparison.reference_j
    if not joules:
        return None
    return median(joules) if comparison.interval is None else geometric_mean(joules)


def allowed(comparison: Comparison) -> str:
    """`+3 % allowed`; empty of a budget, which is its own limit, and where no rule asked."""
    margin = comparison.margin
    if margin is None or comparison.judged is None:
        return ""
    if comparison.quantity == "accuracy":
        return f"a drop of {quantities.drop(margin)} allowed"
    return f"+{quantities.share(margin)} allowed" if margin else "no increase allowed"


def times(comparison: Comparison) -> str:
    """`1.7 times less than main`; empty where the bounds do not show it, or it is a little."""
    change = figures.finite(comparison.estimate)
    if change is None or comparison.quantity != "energy" or not comparison.name:
        return ""
    per = f" per {comparison.unit}" if comparison.unit else ""
    if comparison.finding == "less" and 1 / (1 + change) >= _LEAST_TELLING:
        return f"{quantities.number(1 / (1 + change), 2)} times less{per} than {comparison.name}"
    if comparison.finding == "more" and 1 + change >= _LEAST_TELLING:
        return f"{quantities.number(1 + change, 3)} times as much{per} as {comparison.name}"
    return ""


def caution(comparison: Comparison) -> str:
    """What was wrong with the rounds, as the rule's sentence ends."""
    text = comparison.judged.text if comparison.judged is not None else ""
    _, found, rest = text.partition("; caution: ")
    return found.removeprefix("; ") + rest


def repetitions(comparison: Comparison) -> str:
    """`5 rounds`, or `10 runs` of a history."""
    return plural(comparison.n, "run" if of_runs(comparison) else "round")


def of_runs(comparison: Comparison) -> bool:
    """Whether what it was compared with are the last runs of a history."""
    return comparison.method.startswith("prediction")


def telling(comparison: Comparison) -> str:
    """What would decide a comparison that noise left open."""
    change, bounds = figures.finite(comparison.estimate), comparison.interval
    open_to_noise = comparison.judged is None or comparison.judged.reason == "too noisy"
    if comparison.finding != "unclear" or change is None or bounds is None or not open_to_noise:
        return ""
    if of_runs(comparison):  # more of them need not help: one run varies as it does
        return ""
    found = rounds_to_tell(comparison.n, change, bounds, comparison.margin or 0.0)
    if found is None:
        return ""
    both = " of both runs" if comparison.reference == "stored" else ""
    return f"about {plural(found, 'round')}{both} would tell"
