"""The tables of docs/language-results.md: what one size's run says of each architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import expm1

from results_cells import (
    ARITHMETIC,
    ENERGY_WORDS,
    WITH_SEARCH,
    all_seeds,
    disturbance,
    disturbed,
    judged,
    lines,
    machine_rows,
    paid,
    setting_rows,
    signed,
    sorted_out,
    with_reason,
)

from pytest_energybench.experiment.paper.matrix import Matrix, Range, in_turn
from pytest_energybench.experiment.paper.trials import (
    Figure,
    Trial,
    accuracy,
    compression,
    energy_j,
    epochs,
    metric,
    per_epoch,
)
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.gates.accuracy import judge_group_accuracy
from pytest_energybench.gates.perplexity import judge_group_perplexity
from pytest_energybench.gates.quantities import UNKNOWN, energy, share
from pytest_energybench.gates.quantities import drop as points_of
from pytest_energybench.report.figures import finite, per_unit
from pytest_energybench.report.text import listed
from pytest_energybench.results.model import Case, Comparison, Run, Scalar

NAMES = {"llama": "Llama", "neox": "GPT-NeoX"}
USES = [(phase, batch) for phase in ("prefill", "decode") for batch in (1, 16)]

OF_LOWRANK = ("model", "candidate")
"""Of which weights low rank tells the part that it removed."""

FACTS = {
    "text": {"source": "data", "split": "data_fingerprint"},
    "training": {
        "optimizer": "optimizer",
        "learning rate": "learning_rate",
        "weight decay": "weight_decay",
        "patience": "patience",
        "least improvement": "min_delta",
        "epochs at most": "max_epochs",
    },
    "versions": {
        "Python": "python",
        "torch": "torch",
        "transformers": "transformers",
        "pytest-energybench": "version",
    },
    "arithmetic": ARITHMETIC,
}
"""Fact -> word -> the setting of a run that says it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one architecture: `row` gives the cells of a method, none to leave it out."""

    title: str
    header: tuple[str, ...]
    row: Callable[[Size, str, str], list[str]]


@dataclass(frozen=True, slots=True)
class Size:
    """One run: its trainings, and its cases of inference by model, method, phase and batch."""

    name: str
    matrix: Matrix
    used: Mapping[tuple[Scalar, ...], Case]

    @classmethod
    def of(cls, name: str, run: Run) -> Size:
        of_use = {"model", "method", "phase", "batch"}
        used = {
            tuple(case.params[each] for each in ("model", "method", "phase", "batch")): case
            for case in run.cases
            if set(case.params) == of_use and case.outcome not in ("skipped", "error")
        }
        return cls(name, Matrix.of(run), used)

    def disturbed_use(self, model: str, method: str, phase: str, batch: int) -> str | None:
        """The same of a case that ran in turn with the baseline."""
        case = self.used.get((model, method, phase, batch))
        return None if case is None else disturbance(case.windows)

    def joules(self, joules: float | None) -> str:
        """An energy of the baseline, marked where it is estimated."""
        return energy(joules, estimated=self.matrix.energy_kind != "measured").text

    @property
    def others(self) -> list[str]:
        """Its methods without the baseline."""
        return [method for method in self.matrix.methods if method != BASELINE]


def tables(name: str, run: Run) -> Iterator[str]:
    """The lines of a size: what the run was, what it shows, and the tables of each architecture."""
    size = Size.of(name, run)
    least, most = size.matrix.seeds
    seeds = str(most) if least == most else f"{least} to {most}"
    yield f"### The {name} size, {seeds} {'seed' if most == 1 else 'seeds'}\n"
    yield from lines(["", "this run"], _facts(size))
    yield f"{ENERGY_WORDS[size.matrix.energy_kind]}\n"
    yield "**What the intervals show, by themselves, without a correction for their number**\n"
    yield from lines(["over the baseline's", "less", "more", "not shown"], _shown(size))
    for model in size.matrix.models:
        yield f"#### {NAMES.get(model, model)}, {name}\n"
        for table in TABLES:
            rows = [(method, table.row(size, model, method)) for method in size.matrix.methods]
            yield f"**{table.title}**\n"
            yield from lines(["method", *table.header], [[name, *row] for name, row in rows if row])


def _facts(size: Size) -> Iterator[list[str]]:
    run = size.matrix.run
    yield ["decoder", str(run.settings.get("size", UNKNOWN))]
    yield ["parameters", listed([_parameters(size, model) for model in size.matrix.models])]
    yield ["seeds", listed([str(seed) for seed in all_seeds(size.matrix)])]
    yield from setting_rows(run, FACTS)
    yield ["rule", _rule(run)]
    yield from machine_rows(run)


def _parameters(size: Size, model: str) -> str:
    """How many, and which part of them low rank may take, where it ran."""
    matrix = size.matrix
    count = matrix.value(model, BASELINE, metric("parameters"))
    text = f"{NAMES.get(model, model)} {UNKNOWN if count is None else f'{count:,.0f}'}"
    whole, part = (matrix.value(model, "lowrank", metric(f"{of}_rate")) for of in OF_LOWRANK)
    if not whole or not part:
        return text
    return f"{text} ({share(round(whole / part, 3))} in layers that low rank may take)"


def _rule(run: Run) -> str:
    drop, rise = (finite(run.settings.get(f"max_{name}")) for name in ("drop", "perplexity_rise"))
    parts = [
        *([] if drop is None else [f"at most {points_of(drop)} of accuracy lost"]),
        *([] if rise is None else [f"perplexity at most {share(rise)} up"]),
    ]
    return listed(parts) or UNKNOWN


def _shown(size: Size) -> Iterator[list[str]]:
    """Quantity, and the models with methods that an interval shows below, above, or neither."""
    of_training: dict[str, Figure] = {
        "energy of training": energy_j,
        "joules per epoch": per_epoch(energy_j),
        "training with search": WITH_SEARCH,
    }
    cells = [(model, method) for model in size.matrix.models for method in size.others]
    for quantity, figure in of_training.items():
        calm = [of for of in cells if not disturbed(size.matrix, *of, figure)]
        found = {of: size.matrix.relative(*of, figure) for of in calm}
        yield [quantity, *(", ".join(each) or "none" for each in sorted_out(cells, found))]
    for phase, batch in USES:
        used = {of: size.used.get((*of, phase, batch)) for of in cells}
        found = {
            of: None if case is None else in_turn(case)
            for of, case in used.items()
            if not size.disturbed_use(*of, phase, batch)
        }
        sides = sorted_out(cells, found)
        name = f"joules per token, {phase}, batch {batch}"
        yield [name, *(", ".join(each) or "none" for each in sides)]


def _training(size: Size, model: str, method: str) -> list[str]:
    matrix = size.matrix
    counts = [matrix.over(model, method, each) for each in (epochs, metric("trainings"))]
    plain = [UNKNOWN if each is None else f"{each.value:.1f}" for each in counts]
    of_both = energy_j, per_epoch(energy_j)
    if method == BASELINE:
        joules = [matrix.value(model, method, figure) for figure in of_both]
        return [*(size.joules(each) for each in joules), *plain]
    why = disturbed(size.matrix, model, method)
    ratios = [matrix.relative(model, method, figure) for figure in of_both]
    return [*(with_reason(each, why) for each in ratios), *plain]


def _quality(size: Size, model: str, method: str) -> list[str]:
    matrix = size.matrix
    perplexity = metric("perplexity")
    if method == BASELINE:
        reached = matrix.value(model, method, accuracy), matrix.value(model, method, perplexity)
        texts = [UNKNOWN if each is None else f"{each:.3f}" for each in reached]
        return [*texts, UNKNOWN, UNKNOWN]
    points = Range.of([100 * each for each in matrix.differences(model, method, accuracy)])
    logs = matrix.logs(model, method, perplexity)
    percents = Range.of(logs, lambda change: 100 * expm1(change))
    return [signed(points), signed(percents), *_judged(size, model, method)]


def _judged(size: Size, model: str, method: str) -> list[str]:
    """What the rule says over the seeds, and in how many the point rule holds."""
    case, reference = (size.matrix.cases.get((model, of)) for of in (method, BASELINE))
    if case is None or reference is None:
        return [UNKNOWN, UNKNOWN]
    settings = size.matrix.run.settings
    drop, rise = (finite(settings.get(f"max_{name}")) for name in ("drop", "perplexity_rise"))
    if drop is None or rise is None:
        return [UNKNOWN, UNKNOWN]

    def rule(ours: Case, theirs: Case) -> list[Comparison]:
        return [
            judge_group_accuracy(ours, theirs, drop),
            judge_group_perplexity(ours, theirs, rise),
        ]

    return judged(case, reference, rule)


def _memory(size: Size, model: str, method: str) -> list[str]:
    matrix = size.matrix
    rate = matrix.value(model, method, compression)
    stored, states = metric("bytes_stored"), metric("optimizer_bytes")

    def both(trial: Trial) -> float | None:
        weights, optimizer = stored(trial), states(trial)
        return None if weights is None or optimizer is None else weights + optimizer

    ratios = [matrix.ratio(model, method, figure) for figure in (stored, states, both)]
    return [f"{each:.2f}" if each is not None else UNKNOWN for each in (rate, *ratios)]


def _search(size: Size, model: str, method: str) -> list[str]:
    """Empty where a method has none."""
    matrix = size.matrix
    search = matrix.value(model, method, lambda trial: trial.search_j)
    if search == 0:
        return []
    training = matrix.value(model, BASELINE, energy_j)
    part = UNKNOWN if search is None or not training else f"{search / training:.2f}"
    whole = matrix.relative(model, method, WITH_SEARCH)
    text = with_reason(whole, disturbed(matrix, model, method, WITH_SEARCH))
    return [part, text, paid(matrix, model, method)]


def _inference(size: Size, model: str, method: str) -> list[str]:
    cells = []
    for use in USES:
        case = size.used.get((model, method, *use))
        if case is None:
            cells.append(UNKNOWN)
        elif method == BASELINE:
            _, joules = per_unit(case) or ("", None)
            cells.append(size.joules(joules))
        else:
            cells.append(with_reason(in_turn(case), size.disturbed_use(model, method, *use)))
    return cells


TABLES = (
    Table(
        "Training over the baseline's, which is told in joules",
        ("energy", "joules per epoch", "epochs", "trainings"),
        _training,
    ),
    Table(
        "Change of what the model answers on test, and the baseline's answers",
        ("accuracy, points", "perplexity, %", "rule over the seeds", "seeds that pass it"),
        _quality,
    ),
    Table(
        "Memory over the baseline's",
        ("compression rate", "weights stored", "optimizer states", "weights and states"),
        _memory,
    ),
    Table(
        "The method's search",
        ("search over a baseline training", "training with search", "trainings until paid"),
        _search,
    ),
    Table(
        "Joules per token in turn with the baseline over its own, which are told in joules",
        tuple(f"{phase}, batch {batch}" for phase, batch in USES),
        _inference,
    ),
)
