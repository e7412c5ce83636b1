"""A run in the formats of other tools; what is not known is left out, never written as 0.

A value is the median over the rounds. Its bounds are the lowest and the highest round: a
distribution-free interval of the median, whose one-sided confidence over n rounds is 1 - 2^-n
(Conover, Practical Nonparametric Statistics, 3.2). One round has no bounds.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from statistics import fmean, median, stdev

from pytest_energybench.base.domains import kind_of
from pytest_energybench.base.text import sanitize
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.gates import quantities
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.results import broke_off
from pytest_energybench.report.build import run_view
from pytest_energybench.report.digest import digest
from pytest_energybench.report.figures import accuracy_of, estimated_domains, finite, joules
from pytest_energybench.report.tables import render_csv
from pytest_energybench.results.model import Case, Machine, Run

_OURS = re.compile(r"energy_j|duration_s|energy_per_.*", re.DOTALL)
"""Names of numbers that are metered: where one is not known, what a test recorded is not it."""

_FAILED = {"pass": 0.0, "xfail": 0.0, "fail": 1.0}
"""Kind of a result -> whether a rule does not hold; of any other kind that is not known."""

_MOST_BENCHER = 1024
"""Bytes of a benchmark's name that Bencher takes (`BenchmarkName`)."""
_MOST_MEASURE = 64
"""Bytes of a measure's name or slug that it takes (`ResourceName`, `Slug`)."""

_JOULES_PER_KWH = 3.6e6
_NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a case.

    Attributes:
        name: `energy`, `duration`, or `energy-per-token`.
        unit: `J`, `s` or `J/token`.
        value: median over the rounds, with its lowest and highest round.
    """

    name: str
    unit: str
    value: float
    bounds: tuple[float, float] | None


def measures(case: Case) -> Iterator[Measure]:
    """The known figures of a case; those of a test that broke off are figures of less work."""
    if not case.rounds or broke_off(case):
        return
    if energy := Figures.of(case).samples:
        yield _measure("energy", "J", energy)
    yield _measure("duration", "s", [each.duration_s for each in case.rounds])
    for unit in case.units:
        if samples := Figures.of(case, unit).samples:
            yield _measure(f"energy-per-{unit}", f"J/{unit}", samples)


def _measure(name: str, unit: str, samples: Sequence[float]) -> Measure:
    bounds = (min(samples), max(samples)) if len(samples) > 1 else None
    return Measure(name, unit, median(samples), bounds)


def numbers(case: Case) -> dict[str, float]:
    """All known numbers of a case by name, for trackers: `energy_j`, `duration_s`,
    `energy_per_token_j`, `accuracy` and the other metrics; one of a figure's name is left out."""
    suffixes = {"s": "s"}
    found = {
        f"{each.name.replace('-', '_')}_{suffixes.get(each.unit, 'j')}": each.value
        for each in measures(case)
    }
    metrics = {name: finite(value) for name, value in case.metrics.items()}
    return found | {
        name: value
        for name, value in metrics.items()
        if value is not None and not _OURS.fullmatch(name)
    }


def github_benchmark(run: Run) -> str:
    """JSON for the `customSmallerIsBetter` tool of github-action-benchmark."""
    entries = []
    for case in run.cases:
        words = [_provenance(case), f"{len(case.rounds)} rounds", _commit(run)]
        for each in measures(case):
            entry = {
                "name": f"{case.nodeid} ({each.name})",
                "unit": each.unit,
                "value": each.value,
                "extra": "\n".join(filter(None, words)),
            }
            if each.bounds is not None:
                low, high = each.bounds
                entry["range"] = f"± {max(high - each.value, each.value - low)!r}"
            entries.append(entry)
    return _json(entries)


def bencher(run: Run) -> str:
    """Bencher Metric Format: benchmark -> measure -> value with its bounds."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for case in run.cases:
        entry = {}
        for each in measures(case):
            figures = {"value": each.value}
            if each.bounds is not None:
                low, high = each.bounds
                figures |= {"lower_value": low, "upper_value": high}
            entry[_shortened(each.name, _MOST_MEASURE)] = figures
        if entry:
            found[_shortened(case.nodeid, _MOST_BENCHER)] = entry
    return _json(found)


def openmetrics(run: Run) -> str:
    """OpenMetrics 1.0 text that is Prometheus' older text format as well, which alone the textfile
    collector and the push gateway read: so it has gauges only, and no `info`."""
    families: dict[tuple[str, str, str], list[str]] = {}

    def sample(name: str, unit: str, help_text: str, labels: Mapping[str, str], v: float) -> None:
        written = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items() if value)
        line = f"energybench_{name}{{{written}}} {v!r}"
        families.setdefault((f"energybench_{name}", unit, help_text), []).append(line)

    for case in run.cases:
        labels = {"nodeid": case.nodeid, "group": case.group or "", "host": case.host or ""}
        for each in measures(case):
            quantity, unit = ("duration", "seconds") if each.unit == "s" else ("energy", "joules")
            per = {"per": each.unit.removeprefix("J/")} if "/" in each.unit else {}
            origin = {"provenance": _origin(case)} if unit == "joules" else {}
            middle = "_per_unit" if per else ""
            low, high = each.bounds or (None, None)
            for which, value in (("", each.value), ("_lowest", low), ("_highest", high)):
                if value is not None:
                    name = f"{quantity}{middle}{which}_{unit}"
                    text = f"{quantity.capitalize()}{middle.replace('_', ' ')} of a case" + (
                        f", its{which.replace('_', ' ')} round" if which else ", median of rounds"
                    )
                    sample(name, unit, text, labels | per | origin, value)
        by_domain = {} if broke_off(case) else case.energy_j
        for domain, domain_j in by_domain.items():
            read = {"domain": domain, "provenance": case.provenance.get(domain, "")}
            text = "Energy of a case by domain, median of rounds"
            sample("domain_energy_joules", "joules", text, labels | read, domain_j)
        accuracy = accuracy_of(case.metrics)
        if accuracy is not None:
            sample("accuracy_ratio", "ratio", "Share of right answers", labels, accuracy)
        failed = _FAILED.get(case.result.kind) if case.result is not None else None
        if failed is not None:
            sample("failed", "", "Whether a rule of the case does not hold", labels, failed)
    head = {"commit": _commit(run), "machine": run.machine.fingerprint, "created": run.created}
    written = ",".join(f'{key}="{_escaped(value)}"' for key, value in head.items() if value)
    lines = [
        "# TYPE energybench_run_info gauge",
        "# HELP energybench_run_info What the figures are figures of.",
        f"energybench_run_info{{{written}}} 1",
    ]
    for (name, unit, help_text), samples in families.items():
        lines.append(f"# TYPE {name} gauge")
        lines += [f"# UNIT {name} {unit}"] if unit else []
        lines += [f"# HELP {name} {help_text}.", *samples]
    return "\n".join([*lines, "# EOF", ""])


def hyperfine(run: Run) -> str:
    """The JSON of hyperfine (`--export-json`), for scripts that read it: times in seconds; `energy`
    holds the same figures of joules, and is left out where a round's are not known.

    `user`, `system` and `memory_usage_byte` are left out: no meter gives them.
    """
    uses = Counter(case.name for case in run.cases)
    results = []
    for case in run.cases:
        if not case.rounds or broke_off(case):
            continue
        name = case.name if uses[case.name] == 1 else case.nodeid
        entry: dict[str, object] = {"command": name}
        entry |= _spread("times", [each.duration_s for each in case.rounds])
        if energy := Figures.of(case).samples:
            spread = _spread("joules", energy)
            entry["energy"] = {"unit": "J", "provenance": _origin(case), **spread}
        entry["parameters"] = {name: str(value) for name, value in case.params.items()}
        results.append(entry)
    return _json({"results": results})


def _spread(name: str, samples: Sequence[float]) -> dict[str, object]:
    """What hyperfine tells of its runs; `stddev` (n - 1) is null for one."""
    return {
        "mean": fmean(samples),
        "stddev": stdev(samples) if len(samples) > 1 else None,
        "median": median(samples),
        "min": min(samples),
        "max": max(samples),
        name: list(samples),
    }


def boamps(run: Run) -> str:
    """The run's one case as a BoAmps report: the open data model for the energy of AI tasks.

    The format asks what a test can't know: stage and family of the task, its algorithm and data.
    What the project's settings don't state (`boamps_task_stage`, ...) is written as not stated.

    Raises:
        EnergyBenchError: the run has several cases, or the case's energy is not known.
    """
    if len(run.cases) != 1:
        raise EnergyBenchError(
            f"a BoAmps report is of one task, and the run has {len(run.cases)} cases: choose one"
            " with --case=NODEID"
        )
    (case,) = run.cases
    used_j = None if broke_off(case) else joules(case)
    if used_j is None:
        raise EnergyBenchError(f"{case.nodeid}: its energy is not known, and BoAmps asks for it")
    report = {
        "header": {
            "reportDatetime": _time(run.created),
            "reportStatus": "draft",
        },
        "task": _task(run, case),
        "measures": [
            {
                "measurementMethod": "pytest-energybench",
                "version": str(run.settings.get("version") or _NOT_STATED),
                "powerConsumption": used_j / _JOULES_PER_KWH,
                "measurementDuration": case.duration_s,
                **_tracking(run, case),
                **({"measurementDateTime": _time(case.rounds[0].started)} if case.rounds else {}),
            }
        ],
        "system": {"os": run.machine.os or _NOT_STATED},
        "software": {"language": "python", "version": run.machine.python},
        "infrastructure": {"infraType": "other", "components": list(_components(run.machine))},
    }
    return _json(report)


def _task(run: Run, case: Case) -> dict[str, object]:
    def stated(name: str) -> str:
        return str(run.settings.get(f"boamps_{name}") or _NOT_STATED)

    task: dict[str, object] = {
        "taskStage": stated("task_stage"),
        "taskFamily": stated("task_family"),
        "algorithms": [{"algorithmType": stated("algorithm")}],
        "dataset": [{"dataUsage": "input", "dataType": "other"}],
        "taskDescription": f"pytest test {case.nodeid}; energy is the median of"
        f" {len(case.rounds)} rounds",
    }
    accuracy = accuracy_of(case.metrics)
    if accuracy is not None:
        task["measuredAccuracy"] = accuracy
    if "request" in case.units:
        task["nbRequest"] = case.units["request"]
    return task


def _tracking(run: Run, case: Case) -> dict[str, str]:
    """How each kind of processor was metered."""
    found: dict[str, dict[str, None]] = {}
    for meter in run.meters:
        if meter.domain in case.energy_j:
            mode = f"{meter.source} ({meter.provenance})"
            found.setdefault(kind_of(meter.domain), {})[mode] = None
    kinds = [kind for kind in ("cpu", "gpu") if kind in found]
    return {f"{kind}TrackingMode": ", ".join(found[kind]) for kind in kinds}


def _components(machine: Machine) -> Iterator[dict[str, object]]:
    yield {
        "componentName": f"{machine.cpu}, {machine.cores} logical CPUs",
        "componentType": "cpu",
        "nbComponent": 1,
    }
    size = round(machine.memory_bytes / 1e9)  # whole gigabytes, by hardware_schema.json
    yield {"componentType": "ram", "nbComponent": 1, **({"memorySize": size} if size else {})}
    for name, number in Counter(machine.gpus).items():
        yield {"componentName": name, "componentType": "gpu", "nbComponent": number}


def _time(text: str) -> str:
    """`2026-01-02 03:04:05` of the ISO form."""
    return text[:19].replace("T", " ")


_COLOURS = {"fail": "red", "pass": "brightgreen", "unknown": "yellow", "unjudged": "lightgrey"}


def badge(run: Run) -> str:
    """An endpoint badge of shields.io: the energy of all cases, where it is known, and the result.

    Source: shields.io/badges/endpoint-badge, schema version 1.
    """
    found = digest(run_view(run))
    known = [None if broke_off(case) else joules(case) for case in run.cases]
    estimated = any(estimated_domains(case) for case in run.cases)
    total_j = sum(each for each in known if each is not None)
    energy = [] if not known or None in known else [quantities.energy(total_j, estimated=estimated)]
    message = ", ".join([*(each.text for each in energy), found.word.lower()])
    colour = _COLOURS.get(found.kind, "lightgrey")
    return _json({"schemaVersion": 1, "label": "energy", "message": message, "color": colour})


FORMATS: Mapping[str, Callable[[Run], str]] = {
    "github-benchmark": github_benchmark,
    "bencher": bencher,
    "openmetrics": openmetrics,
    "csv": render_csv,
    "boamps": boamps,
    "hyperfine": hyperfine,
    "badge": badge,
}
"""Format -> its writer. A `boamps` report is of one case."""


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _escaped(value: str) -> str:
    return sanitize(value).replace("\\", "\\\\").replace('"', '\\"')


def _shortened(name: str, most: int) -> str:
    """A name in at most so many bytes; one that is cut ends with a digest of the whole."""
    written = name.encode("utf-8", "surrogatepass")
    if len(written) <= most:
        return name
    end = f"-{blake2b(written, digest_size=5).hexdigest()}"
    return written[: most - len(end)].decode("utf-8", "ignore") + end


def _provenance(case: Case) -> str:
    return ", ".join(f"{domain} {word}" for domain, word in case.provenance.items())


def _origin(case: Case) -> str:
    """`measured`, or `estimated and measured`: the words of its domains, each once."""
    return " and ".join(sorted(set(case.provenance.values())))


def _commit(run: Run) -> str:
    return run.commit.id + ("-dirty" if run.commit.dirty else "") if run.commit else ""
