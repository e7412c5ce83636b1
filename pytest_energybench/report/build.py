"""From a run to its view: pure functions, nothing read but the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.gates.results import passes
from pytest_energybench.report import answers, conditions, figures
from pytest_energybench.report.provenance import (
    host_view,
    machine_and_origin,
    meter_view,
    scalar_rows,
)
from pytest_energybench.report.summary import carbon, cost, counts, estimate_note, how_estimated
from pytest_energybench.report.text import labels, sections, shorten
from pytest_energybench.report.view import (
    GLYPHS,
    WORDS,
    WORST_FIRST,
    CaseView,
    Cell,
    Change,
    ComparisonView,
    Kind,
    RunView,
)
from pytest_energybench.results.compatibility import heads, hosts_of
from pytest_energybench.results.model import NOT_JUDGED, Case, Comparison, Run


def run_view(run: Run) -> RunView:
    """The view that all reports of this run share."""
    cases = _case_views(run)
    pue = figures.finite(run.settings.get("pue")) or 1.0
    return RunView(
        source=run,
        cost=cost(run, pue),
        counts=counts(cases),
        cases=tuple(cases),
        meters=tuple(
            dict.fromkeys(meter_view(meter) for host in hosts_of(run) for meter in host.meters)
        ),
        hosts=tuple(map(host_view, run.hosts)),
        provenance=machine_and_origin(run),
        settings=scalar_rows(run.settings),
        without=conditions.without(run),
        pue=pue,
        carbon=carbon(run),
        estimated=how_estimated(cases),
        estimate_note=estimate_note(cases),
        has_accuracy=any(case.accuracy.value is not None for case in cases),
        has_facility=pue != 1.0,
        has_rounds=any(len(case.rounds) > 1 for case in run.cases),
        versus=versus(run),
    )


def _case_views(run: Run) -> list[CaseView]:
    meters = {
        host: {meter.domain: meter for meter in head.meters} for host, head in heads(run).items()
    }
    by_nodeid = {case.nodeid: case for case in run.cases}
    uncertainties = [
        figures.uncertainty_j(case, meters.get(case.host, meters[None])) for case in run.cases
    ]
    column = quantities.energy_column(
        [
            (figures.joules(case), u, bool(figures.estimated_domains(case)))
            for case, u in zip(run.cases, uncertainties, strict=True)
        ]
    )
    nodeids = [c.nodeid for c in run.cases]
    shown = labels(nodeids, [c.name for c in run.cases])
    under = _headed(nodeids, [c.group for c in run.cases])
    intensity = figures.of_all_hosts(run, "carbon_intensity")
    taken: set[str] = set()
    return [
        _case_view(case, label, head, quantity, u, intensity, by_nodeid, _key(case.nodeid, taken))
        for case, label, head, quantity, u in zip(
            run.cases, shown, under, column, uncertainties, strict=True
        )
    ]


def _headed(nodeids: Sequence[str], groups: Sequence[str | None]) -> list[tuple[str, str]]:
    """Heading and rest of each node id."""
    found: dict[int, tuple[str, str]] = {}
    for section in sections(nodeids, groups):
        group = groups[section.places[0]]
        heading = section.title if group is None else f"{sanitize(group)} \u00b7 {section.title}"
        for place, name in zip(section.places, section.names, strict=True):
            found[place] = heading, name or sanitize(nodeids[place])
    return [found[place] for place in range(len(nodeids))]


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
    under: tuple[str, str],
    in_column: quantities.Quantity,
    uncertainty: float | None,
    intensity: float | None,
    by_nodeid: Mapping[str, Case],
    key: str,
) -> CaseView:
    estimated = bool(figures.estimated_domains(case))
    accuracy = figures.accuracy_of(case.metrics)
    of_group = [e for e in case.comparisons if answers.kind_of_reference(e) == "group"]
    return CaseView(
        source=case,
        key=key,
        label=label,
        heading=under[0],
        short=under[1],
        kind=_kind(case),
        word=result_word(case),
        energy=quantities.energy(
            figures.joules(case), uncertainty=uncertainty, estimated=estimated
        ),
        energy_column=in_column,
        facility=quantities.energy(
            figures.finite(case.facility_j), uncertainty=uncertainty, estimated=estimated
        ),
        uncertainty=uncertainty,
        co2e_g=figures.co2e_g(figures.finite(case.facility_j), intensity),
        per_unit=figures.per_unit(case),
        changes=_changes(case, by_nodeid),
        duration=Cell(quantities.seconds(case.duration_s or None), case.duration_s or None),
        accuracy=Cell(quantities.accuracy(accuracy), accuracy),
        accuracy_finding=_accuracy_finding(case.comparisons),
        group_accuracy_finding=_accuracy_finding(of_group),
        accuracy_change=next(
            (figures.finite(each.estimate) for each in of_group if each.quantity == "accuracy"),
            None,
        ),
        provenance=_provenance(case),
        estimated=estimated,
        comparisons=tuple(_comparison_view(case, each, by_nodeid) for each in case.comparisons),
        reason=_reason(case),
    )


def _accuracy_finding(comparisons: Sequence[Comparison]) -> str:
    """Of several rules that of the first that does not hold."""
    found = [each for each in comparisons if each.quantity == "accuracy" and each.judged]
    found.sort(key=passes)
    return sanitize(found[0].finding) if found else ""


def _changes(case: Case, by_nodeid: Mapping[str, Case]) -> dict[str, Change]:
    """Of several rules on one kind of reference the change that decides: failed, then judged."""
    found: dict[str, Change] = {}
    for each in sorted(case.comparisons, key=lambda e: (e.judged is None, passes(e))):
        value, kind = figures.finite(each.estimate), answers.kind_of_reference(each)
        if each.quantity != "energy" or kind == "budget" or kind in found or value is None:
            continue
        found[kind] = Change(
            value=value,
            finding=sanitize(each.finding),
            interval=each.interval,
            time_ratio=_is_time_ratio(case, each, by_nodeid),
            unit=sanitize(each.unit),
        )
    return found


def _half(comparison: Comparison) -> float | None:
    interval = comparison.interval
    return None if interval is None else (interval[1] - interval[0]) / 2


def _is_time_ratio(case: Case, comparison: Comparison, by_nodeid: Mapping[str, Case]) -> bool:
    stored = comparison.reference == "stored"
    return figures.is_time_ratio(case, None if stored else by_nodeid.get(comparison.nodeid or ""))


def versus(run: Run) -> dict[str, str]:
    """Kind of reference -> head of its column of changes; the stored run, which a gate asks for,
    first."""
    names: dict[str, dict[str, None]] = {"stored": {}, "group": {}, "pair": {}}
    for case in run.cases:
        for each in case.comparisons:
            kind = answers.kind_of_reference(each)
            if each.quantity == "energy" and each.estimate is not None and kind in names:
                names[kind][each.name] = None
    return {
        reference: f"vs {shorten(sanitize(next(iter(found))), 20)}"
        if len(found) == 1
        else "vs reference"
        for reference, found in names.items()
        if found
    }


def _kind(case: Case) -> Kind:
    result = case.result
    if result is None or (result.reason == NOT_JUDGED and result.kind in ("pass", "unknown")):
        return "unjudged"
    return next((kind for kind in WORST_FIRST if kind == result.kind), "fail")


def result_word(case: Case) -> str:
    """`fail: more than main`; a word of a later version stays what it is."""
    kind = _kind(case)
    if kind == "unjudged" or case.result is None:
        if case.outcome == "skipped":
            return case.outcome
        return "reference" if case.baseline else WORDS[kind]
    reason = "" if answers.ended_otherwise(case) else case.result.reason
    return sanitize(": ".join(filter(None, (case.result.kind, reason))))


def _reason(case: Case) -> str:
    if case.result is not None and case.result.text:
        return sanitize(case.result.text)
    return sanitize(case.errors[0]) if case.errors else ""


def _provenance(case: Case) -> str:
    words = sorted(set(case.provenance.values()))
    if len(words) == 1:
        return words[0]
    estimated = figures.estimated_domains(case)
    if not estimated:
        return " and ".join(words)
    known = figures.joules(case)
    part = sum(case.energy_j.get(domain, 0.0) for domain in estimated)
    share = f", {quantities.percent(part / known, uncertainty=1.0, signed=False)}" if known else ""
    return f"estimated in part ({sanitize(', '.join(estimated))}{share})"


def _comparison_view(
    case: Case, comparison: Comparison, by_nodeid: Mapping[str, Case]
) -> ComparisonView:
    estimate, is_accuracy = figures.finite(comparison.estimate), comparison.quantity == "accuracy"
    return ComparisonView(
        against=sanitize(answers.against(comparison) + _of_window(comparison)),
        quantity=comparison.quantity,
        limit=_limit(comparison),
        finding=sanitize(comparison.finding),
        paint=comparison.finding if comparison.finding in GLYPHS else "unclear",
        text=sanitize(comparison.judged.text) if comparison.judged is not None else "",
        estimate=_change_text(comparison.quantity, estimate, _half(comparison)),
        interval=(quantities.points_interval if is_accuracy else quantities.interval)(
            comparison.interval
        ),
        compared=answers.compared(case, comparison),
        times=sanitize(answers.times(comparison)),
        telling=answers.telling(comparison),
        allowed=answers.allowed(comparison),
        caution=sanitize(answers.caution(comparison)),
        method=sanitize(comparison.method),
        rounds=answers.repetitions(comparison),
        time_ratio=comparison.quantity == "energy"
        and estimate is not None
        and comparison.reference != "budget"
        and _is_time_ratio(case, comparison, by_nodeid),
    )


def _of_window(comparison: Comparison) -> str:
    return f", window {comparison.window!r}" if comparison.window else ""


def _change_text(quantity: str, change: float | None, half: float | None) -> str:
    """A relative change in percent; of an accuracy the difference in points."""
    if change is None:
        return ""
    if quantity == "accuracy":
        return quantities.in_points(change)
    return quantities.change(change, half)


def _limit(comparison: Comparison) -> str:
    limit = figures.finite(comparison.limit)
    if limit is None:
        return ""
    write = _LIMITS.get(comparison.quantity, quantities.number)
    return sanitize(quantities.per(write(limit), comparison.unit))


_LIMITS: Mapping[str, Callable[[float], str]] = {
    "energy": quantities.energy_both,
    "duration": quantities.seconds,
    "accuracy": quantities.accuracy,
}
"""Quantity -> how its limit is written. A quantity of a later version has a unit that is not known
here, so its limit is a plain number."""
