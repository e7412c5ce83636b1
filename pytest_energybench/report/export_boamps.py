"""A case as a BoAmps report: the open data model for the energy of AI tasks.

The format asks what a test can't know: stage and family of the task, its algorithm and data. What
the project's settings don't state (`boamps_task_stage`, ...) is written as not stated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from pytest_energybench.base.domains import kind_of
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.gates.results import broke_off
from pytest_energybench.report.figures import accuracy_of, joules
from pytest_energybench.results.model import Case, Machine, Run

_JOULES_PER_KWH = 3.6e6
_NOT_STATED = "not stated"


def boamps(run: Run) -> str:
    """The report of a run's one case, as JSON.

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
    return json.dumps(report, indent=2) + "\n"


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
