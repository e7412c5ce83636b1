"""From a run to its view: pure functions, nothing read but the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from pytest_energybench.report import figures, units
from pytest_energybench.report.provenance import (
    host_view,
    machine_and_origin,
    meter_view,
    scalar_rows,
)
from pytest_energybench.report.summary import cost, counts, estimate_note, headline
from pytest_energybench.report.text import labels, visible
from pytest_energybench.report.view import (
    WORDS,
    WORST_FIRST,
    CaseView,
    Cell,
    ComparisonView,
    Kind,
    RunView,
)
from pytest_energybench.results.hosts import heads
from pytest_energybench.results.model import Case, Comparison, Run

_ORIGINS = {"budget": "the budget", "baseline": "the baseline", "stored": "the stored baseline"}


def run_view(run: Run) -> RunView:
    """The view that all reports of this run share."""
    cases = _case_views(run)
    looks = sorted((case for case in cases if case.needs_a_look), key=_urgency)
    pue = figures.finite(run.settings.get("pue")) or 1.0
    totals = counts(cases)
    return RunView(
        source=run,
        headline=headline(totals, cases),
        cost=cost(run, pue),
        counts=totals,
        cases=tuple(cases),
        looks=tuple(looks),
        meters=tuple(meter_view(meter) for meter in run.meters),
        hosts=tuple(map(host_view, run.hosts)),
        provenance=machine_and_origin(run),
        settings=scalar_rows(run.settings),
        pue=pue,
        estimate_note=estimate_note(cases),
        has_accuracy=any(case.accuracy.value is not None for case in cases),
        has_facility=pue != 1.0,
        has_rounds=any(len(case.rounds) > 1 for case in run.cases),
        has_delta=any(case.delta.value is not None for case in cases),
    )


def _urgency(case: CaseView) -> tuple[int, float]:
    change = case.delta.value
    return WORST_FIRST.index(case.kind), -(change if change is not None else 0.0)


def _case_views(run: Run) -> list[CaseView]:
    meters = {
        host: {meter.domain: meter for meter in head.meters} for host, head in heads(run).items()
    }
    by_nodeid = {case.nodeid: case for case in run.cases}
    baselines = figures.group_baselines(run.cases)
    uncertainties = [
        figures.uncertainty_j(case, meters.get(case.host, meters[None])) for case in run.cases
    ]
    column = units.energy_column(
        [
            (figures.joules(case), u, bool(figures.estimated_domains(case)))
            for case, u in zip(run.cases, uncertainties, strict=True)
        ]
    )
    shown = labels([c.nodeid for c in run.cases], [c.name for c in run.cases])
    taken: set[str] = set()
    return [
        _case_view(case, label, quantity, u, by_nodeid, baselines, _key(case.nodeid, taken))
        for case, label, quantity, u in zip(run.cases, shown, column, uncertainties, strict=True)
    ]


def _key(nodeid: str, taken: set[str]) -> str:
    """A short id that stays the same from run to run; the second case of one name is `…-2`."""
    digest = blake2b(nodeid.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    key, copies = f"c-{digest}", 1
    while key in taken:
        copies += 1
        key = f"c-{digest}-{copies}"
    taken.add(key)
    return key


def _case_view(
    case: Case,
    label: str,
    in_column: units.Quantity,
    uncertainty: float | None,
    by_nodeid: Mapping[str, Case],
    baselines: Mapping[str, Case],
    key: str,
) -> CaseView:
    estimated = bool(figures.estimated_domains(case))
    reference = baselines.get(case.group) if case.group is not None else None
    reference = None if reference is case else reference
    headline_comparison = _against_baseline(case.comparisons)
    delta, interval = _change(case, headline_comparison, reference, by_nodeid)
    accuracy = figures.accuracy_of(case.metrics)
    before = figures.accuracy_of(reference.metrics) if reference is not None else None
    spread = None if interval is None else (interval[1] - interval[0]) / 2
    kind = _kind(case)
    return CaseView(
        source=case,
        key=key,
        label=label,
        kind=kind,
        word=_word(case, kind),
        expected=case.outcome == "xfailed",
        energy=units.energy(figures.joules(case), uncertainty=uncertainty, estimated=estimated),
        energy_column=in_column,
        facility=units.energy(
            figures.finite(case.facility_j), uncertainty=uncertainty, estimated=estimated
        ),
        uncertainty=uncertainty,
        delta=Cell(
            (units.ESTIMATE_MARK if estimated and delta is not None else "")
            + units.percent(delta, uncertainty=spread),
            delta,
        ),
        interval=interval,
        duration=Cell(units.seconds(case.duration_s or None), case.duration_s or None),
        accuracy=Cell(units.accuracy(accuracy), accuracy),
        accuracy_change=None if accuracy is None or before is None else accuracy - before,
        provenance=_provenance(case),
        estimated=estimated,
        time_ratio=delta is not None and figures.is_time_ratio(case, reference),
        comparisons=tuple(
            _comparison_view(case, comparison, by_nodeid) for comparison in case.comparisons
        ),
        reason=_reason(case),
    )


def _against_baseline(comparisons: Sequence[Comparison]) -> Comparison | None:
    energy = [c for c in comparisons if c.quantity == "energy" and c.origin != "budget"]
    return min(energy, key=lambda c: ("baseline", "stored").index(c.origin), default=None)


def _change(
    case: Case,
    comparison: Comparison | None,
    reference: Case | None,
    by_nodeid: Mapping[str, Case],
) -> tuple[float | None, tuple[float, float] | None]:
    """Relative change of energy as judged; else plainly from the two energies of this run."""
    if comparison is not None:
        delta = figures.finite(comparison.verdict.delta)
        if delta is not None:
            return delta, comparison.verdict.interval
        if comparison.origin == "stored":
            return None, None
        if comparison.nodeid is not None:
            reference = by_nodeid.get(comparison.nodeid, reference)
    if reference is None:
        return None, None
    return figures.relative_change(figures.joules(case), figures.joules(reference)), None


def _kind(case: Case) -> Kind:
    if case.verdict is not None:
        return case.verdict.kind
    if case.outcome == "skipped":
        return "unjudged"
    if case.outcome == "error" or case.errors or figures.joules(case) is None:
        return "error"
    return "unjudged"


def _word(case: Case, kind: Kind) -> str:
    if kind == "unjudged":
        if case.outcome in ("skipped", "failed"):
            return case.outcome
        return "baseline" if case.baseline else WORDS[kind]
    if case.outcome == "xfailed":
        return f"{WORDS[kind]} (expected)"
    return WORDS[kind]


def _reason(case: Case) -> str:
    if case.verdict is not None and case.verdict.reason:
        return visible(case.verdict.reason)
    if case.errors:
        return visible(case.errors[0])
    if case.outcome in ("failed", "error"):
        return f"The test ended as {case.outcome}."
    if case.outcome == "skipped":
        return "The test was skipped."
    return "" if figures.joules(case) is not None else "Its energy is not known."


def _provenance(case: Case) -> str:
    words = sorted(set(case.provenance.values()))
    if len(words) == 1:
        return words[0]
    estimated = figures.estimated_domains(case)
    if not estimated:
        return " and ".join(words)
    known = figures.joules(case)
    part = sum(case.energy_j.get(domain, 0.0) for domain in estimated)
    share = f", {units.percent(part / known, uncertainty=1.0, signed=False)}" if known else ""
    return f"estimated in part ({visible(', '.join(estimated))}{share})"


def _comparison_view(
    case: Case, comparison: Comparison, by_nodeid: Mapping[str, Case]
) -> ComparisonView:
    verdict = comparison.verdict
    other = by_nodeid.get(comparison.nodeid or "")
    against = _ORIGINS[comparison.origin]
    if comparison.nodeid is not None and comparison.nodeid != case.nodeid:
        name = other.name if other is not None and other.name else comparison.nodeid
        against = f"{against} {visible(name)}"
    half = None if verdict.interval is None else (verdict.interval[1] - verdict.interval[0]) / 2
    delta = figures.finite(verdict.delta)
    rounds = "1 round" if verdict.n == 1 else f"{verdict.n:,} rounds"
    return ComparisonView(
        origin=comparison.origin,
        against=against,
        quantity=comparison.quantity,
        limit=_limit(comparison),
        kind=verdict.kind,
        reason=visible(verdict.reason),
        delta=_change_text(comparison.quantity, delta, half),
        interval="" if comparison.quantity == "accuracy" else units.interval(verdict.interval),
        basis=f"{visible(verdict.method)}, {rounds}",
        time_ratio=comparison.quantity == "energy"
        and delta is not None
        and comparison.origin != "budget"
        and figures.is_time_ratio(case, other),
    )


def _change_text(quantity: str, delta: float | None, half: float | None) -> str:
    """A relative change in percent; of an accuracy the difference in points."""
    if delta is None:
        return ""
    if quantity == "accuracy":
        return f"{units.points(delta)} points"
    return units.percent(delta, uncertainty=half)


def _limit(comparison: Comparison) -> str:
    limit = figures.finite(comparison.limit)
    if limit is None:
        return ""
    if comparison.quantity == "energy":
        return units.energy_both(limit)
    if comparison.quantity == "duration":
        return units.seconds(limit)
    return units.accuracy(limit)
