"""The report's sample run with everything that the paper's cases record."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from pytest_energybench.results.model import Case, Round, Run, Scalar
from tests.report import samples

MODELS = tuple(samples.MODELS)
MACHINE = samples.MACHINE
METHODS = ("baseline", "amp", "steganographic", "pruning", "lowrank")
BITS = dict(zip(MODELS, (22, 20, 19, 19, 18, 21, 18, 20, 23), strict=True))


def paper_run() -> Run:
    """9 models x 5 methods, estimated; mixed precision takes .7 of the baseline's time."""
    cases: list[Case] = []
    for case in samples.paper_run().cases:
        cases.append(_recorded(case))
        if case.params["method"] == "baseline":
            cases.append(_recorded(scaled(_renamed(case, "amp"), 0.7)))
    return replace(samples.paper_run(), cases=cases)


def metered(run: Run) -> Run:
    """The same run with joules from counters."""
    cases = [replace(case, provenance={"cpu:0": "measured"}) for case in run.cases]
    return replace(run, cases=cases, meters=samples.COUNTERS)


def only(run: Run, *, models: tuple[str, ...] = MODELS, methods: tuple[str, ...] = METHODS) -> Run:
    """A part of the matrix."""
    return replace(
        run,
        cases=[
            case
            for case in run.cases
            if case.params["model"] in models and case.params["method"] in methods
        ],
    )


def scaled(case: Case, factor: float) -> Case:
    """The case with all its joules and seconds multiplied."""
    return replace(
        case,
        duration_s=case.duration_s * factor,
        total_j=None if case.total_j is None else case.total_j * factor,
        facility_j=None if case.facility_j is None else case.facility_j * factor,
    )


def relative(run: Run, method: str, ratio: float, *, models: tuple[str, ...] = MODELS) -> Run:
    """The run in which a method takes `ratio` of its baseline's time and joules."""
    base = {c.params["model"]: c for c in run.cases if c.params["method"] == "baseline"}
    cases = []
    for case in run.cases:
        model = case.params["model"]
        if case.params["method"] == method and model in models:
            same = scaled(base[model], ratio)
            case = replace(
                case, duration_s=same.duration_s, total_j=same.total_j, facility_j=same.facility_j
            )
        cases.append(case)
    return replace(run, cases=cases)


def recorded(run: Run, model: str, method: str, **metrics: Scalar) -> Run:
    """The run with other metrics in one case."""
    cases = [
        replace(case, metrics={**case.metrics, **metrics})
        if case.params == {"model": model, "method": method}
        else case
        for case in run.cases
    ]
    return replace(run, cases=cases)


def seeded(
    run: Run,
    seeds: int,
    *,
    energy: Callable[[str, str, int], float] = lambda *_: 1.0,
    accuracy: Callable[[str, str, int], float] = lambda *_: 0.0,
) -> Run:
    """The run with several seeds a case: joules and seconds of each times `energy`, accuracies
    plus `accuracy`, both of model, method and seed."""
    cases = []
    for case in run.cases:
        model, method = str(case.params["model"]), str(case.params["method"])
        before = case.metrics["accuracy"]
        assert isinstance(before, float)
        made = []
        for seed in range(seeds):
            part = scaled(case, energy(model, method, seed))
            metrics = {**case.metrics, "accuracy": before + accuracy(model, method, seed)}
            made.append(
                Round(
                    started="",
                    duration_s=part.duration_s,
                    energy_j={},
                    total_j=part.total_j,
                    seed=seed,
                    metrics=metrics,
                )
            )
        cases.append(replace(case, rounds=made))
    return replace(run, cases=cases)


def as_in_the_paper(run: Run) -> Run:
    """The run under conditions like the paper's: ImageNet, its weights, a GPU."""
    conditions = {"data": "imagenet:a", "weights": "imagenet", "device": "cuda"}
    return replace(metered(run), settings={**run.settings, **conditions})


def _renamed(case: Case, method: str) -> Case:
    model = case.params["model"]
    return replace(
        case,
        nodeid=case.nodeid.replace("baseline", method),
        name=f"{model}-{method}",
        baseline=False,
        params={"model": model, "method": method},
    )


STORED = {"amp": 0.5, "steganographic": 0.5, "lowrank": 0.8}


def _recorded(case: Case) -> Case:
    model, method = str(case.params["model"]), str(case.params["method"])
    place = MODELS.index(model)
    case = replace(case, metrics={**case.metrics, "weight_bytes": 4e7 * STORED.get(method, 1)})
    found = BITS[model]
    metrics: dict[str, dict[str, Scalar]] = {
        "amp": {"compression_rate": 0.5, "realised_rate": 0.5},
        "steganographic": {
            "zeroed_bits": found,
            "compression_rate": found / 32,
            "theoretical_rate": found / 32,
            "realised_rate": 0.5,
        },
        "pruning": {
            "compression_rate": 0.3 + 0.02 * place,
            "layer_rate_min": 0.08 + 0.01 * place,
            "layer_rate_max": 0.4 + 0.03 * place,
            "pruned_rate_prunable": 0.3 + 0.02 * place,
            "pruned_rate_all": 0.29 + 0.02 * place,
        },
        "lowrank": {
            "compression_rate": 0.25 + 0.02 * place,
            "candidate_layers": 20,
            "candidate_rate": 0.25 + 0.02 * place,
            "lowrank_search": "joint",
            "lowrank_layers": "wide",
            "model_rate": 0.2 + 0.02 * place,
            "rank_min": 8 + place,
            "rank_max": 200 + 20 * place,
            "rank_mean": 60.25 + place,
        },
    }
    search = case.search
    if search is not None and method == "steganographic":
        start = case.metrics["accuracy"]
        assert isinstance(start, float)
        probed = [
            (8, 0.0),
            (16, 0.001),
            (found, 0.006),
            (found + 1, 0.03),
            (24, 0.2 + 0.05 * place),
        ]
        search = replace(
            search,
            found=found,
            curve=[(float(n), start - drop) for n, drop in sorted(dict(probed).items())],
        )
    return replace(case, metrics={**case.metrics, **metrics.get(method, {})}, search=search)
