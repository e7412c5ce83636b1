"""Tables 2, 6, 7 and 8 in the paper's layout: its value, this run's, and the difference.

All nine models have a row, also where a run holds only some of them. Rates and accuracies are
fractions with the four decimals the paper prints; a difference is this run's value less the
paper's, an accuracy change that against the baseline of the same run. A table is written as
comma-separated values, as Markdown, and for the report page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from pytest_energybench.base.text import sanitize
from pytest_energybench.experiment.paper.matrix import Matrix, Range
from pytest_energybench.experiment.paper.reference import ModelReference, reference
from pytest_energybench.experiment.paper.trials import Figure, accuracy, compression, metric
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.gates.quantities import MINUS, UNKNOWN
from pytest_energybench.report.attachments import Table
from pytest_energybench.report.text import listed, separated, unmarked

Value = str | float | None
"""A cell; None if nothing is known."""

Published = Callable[[ModelReference], Value]

_RATE = 4
_ACCURACY_NOTE = (
    "Accuracies are of different images unless this run used ImageNet-1K: compare the changes."
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: in a file of comma-separated values.
        head: for people.
        decimals: digits after the point.
        signed: print the sign of a positive value, too.
    """

    name: str
    head: str
    decimals: int = 0
    signed: bool = False


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One of the paper's tables; every row has a value for every column.

    Attributes:
        stem: name of its files without the ending.
    """

    stem: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]


def range_cells(found: Range | None) -> tuple[Value, Value, Value]:
    """An estimate and its bounds; None where they are not known."""
    if found is None:
        return None, None, None
    return found.value, *(found.bounds or (None, None))


def paper_tables(matrix: Matrix) -> tuple[PaperTable, ...]:
    """All four, filled from a run."""
    return (_table2(matrix), _table6(matrix), _table7(matrix), _table8(matrix))


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A quantity that becomes three columns, or one where only `published` or `ours` has it."""

    name: str
    head: str
    decimals: int
    published: Published | None
    ours: Callable[[str], float | None] | None

    def columns(self) -> list[Column]:
        if self.ours is None:
            return [Column(self.name, self.head, self.decimals)]
        if self.published is None:
            return [Column(f"{self.name}_ours", f"{self.head}, ours", self.decimals)]
        return [
            Column(f"{self.name}_paper", f"{self.head}, paper", self.decimals),
            Column(f"{self.name}_ours", "ours", self.decimals),
            Column(f"{self.name}_difference", "difference", self.decimals, signed=True),
        ]

    def values(self, model: ModelReference) -> list[Value]:
        published = None if self.published is None else self.published(model)
        ours = None if self.ours is None else self.ours(model.name)
        if self.ours is None:
            return [published]
        if self.published is None:
            return [ours]
        known = isinstance(published, int | float) and ours is not None
        return [published, ours, ours - published if known else None]  # type: ignore[operator]


def _table(stem: str, title: str, note: str, quantities: list[_Quantity]) -> PaperTable:
    return PaperTable(
        stem=stem,
        title=title,
        note=note,
        columns=(
            Column("model", "model"),
            *(column for quantity in quantities for column in quantity.columns()),
        ),
        rows=tuple(
            (model.paper_name, *(v for quantity in quantities for v in quantity.values(model)))
            for model in reference().models
        ),
    )


def _of(matrix: Matrix, method: str, figure: Figure) -> Callable[[str], float | None]:
    return lambda model: matrix.value(model, method, figure)


def _beside(
    matrix: Matrix, method: str, table: str, *rows: tuple[str, str, int, Figure]
) -> list[_Quantity]:
    """A method's quantities: name, head, decimals, and which figure is ours. The paper's value is
    the field of that name of `table`, where it has one."""
    fields = getattr(reference().models[0], table).__struct_fields__
    return [
        _Quantity(
            name,
            head,
            decimals,
            attrgetter(f"{table}.{name}") if name in fields else None,
            _of(matrix, method, figure),
        )
        for name, head, decimals, figure in rows
    ]


def _table2(matrix: Matrix) -> PaperTable:
    def millions(model: str) -> float | None:
        count = matrix.value(model, BASELINE, metric("parameters"))
        return None if count is None else count / 1e6

    return _table(
        "table_2_models",
        "Table 2: models",
        "Parameters in millions. The paper's are for 1,000 classes, as are torchvision's; ours are "
        "of the model that was trained, whose classifier has as many outputs as the data classes.",
        [
            _Quantity("type", "type", 0, lambda m: m.table2.type, None),
            _Quantity("depth", "depth", 0, lambda m: m.table2.depth, None),
            _Quantity(
                "parameters_m", "parameters (M)", 1, lambda m: m.table2.parameters_m, millions
            ),
            _Quantity(
                "torchvision_m",
                "parameters (M), torchvision's",
                1,
                lambda m: m.table2.torchvision_parameters / 1e6,
                None,
            ),
        ],
    )


def _table6(matrix: Matrix) -> PaperTable:
    method = "steganographic"
    return _table(
        "table_6_steganographic",
        "Table 6: steganographic capacity reduction",
        f"Zeroed bits are from the paper's Section 3.2. {_ACCURACY_NOTE}",
        [
            *_beside(
                matrix,
                method,
                "table6",
                ("zeroed_bits", "zeroed bits", 0, metric("zeroed_bits")),
                ("compression_rate", "compression rate", _RATE, compression),
                ("realised_rate", "bytes really saved", _RATE, metric("realised_rate")),
            ),
            *_beside(
                matrix,
                BASELINE,
                "table6",
                ("baseline_accuracy", "baseline accuracy", _RATE, accuracy),
            ),
            *_accuracies(matrix, method, lambda m: m.table6.accuracy),
        ],
    )


def _table7(matrix: Matrix) -> PaperTable:
    method = "pruning"
    return _table(
        "table_7_pruning",
        "Table 7: pruning",
        "The overall rate is over the weights that may be pruned, as the paper's; the rate over "
        f"all parameters stands beside it. {_ACCURACY_NOTE}",
        [
            *_beside(
                matrix,
                method,
                "table7",
                ("layer_rate_min", "least pruned layer", _RATE, metric("layer_rate_min")),
                ("layer_rate_max", "most pruned layer", _RATE, metric("layer_rate_max")),
                ("compression_rate", "overall compression", _RATE, metric("pruned_rate_prunable")),
                ("pruned_rate_all", "over all parameters", _RATE, metric("pruned_rate_all")),
            ),
            *_accuracies(matrix, method, lambda m: m.table7.accuracy),
        ],
    )


def _table8(matrix: Matrix) -> PaperTable:
    method = "lowrank"
    return _table(
        "table_8_lowrank",
        "Table 8: low-rank factorization",
        "Ranks and overall compression are over all layers of the set; a layer that stays dense "
        "has its full rank. The paper's mean ranks fit all convolutions; over the whole model its "
        "compression is impossible for AlexNet, VGG16 and ConvNeXt-Base. Ours stands beside it. "
        f"The paper searches layer by layer; {_lowrank_scope(matrix)}. {_ACCURACY_NOTE}",
        [
            *_beside(
                matrix,
                method,
                "table8",
                ("layers", "layers of the set", 0, metric("candidate_layers")),
                ("rank_min", "least rank", 0, metric("rank_min")),
                ("rank_max", "greatest rank", 0, metric("rank_max")),
                ("rank_mean", "mean rank", 2, metric("rank_mean")),
                ("compression_rate", "overall compression", _RATE, metric("candidate_rate")),
                ("model_rate", "over the whole model", _RATE, metric("model_rate")),
            ),
            *_accuracies(matrix, method, lambda m: m.table8.accuracy),
        ],
    )


def _lowrank_scope(matrix: Matrix) -> str:
    """Which layers this run's searches took, and how they searched."""
    words = [
        {
            str(case.metrics[name])
            for (_, of), case in matrix.cases.items()
            if of == "lowrank" and name in case.metrics
        }
        for name in ("lowrank_search", "lowrank_layers")
    ]
    if not all(words):
        return "how this run searched was not recorded"
    search, layers = (listed(sorted(found)) for found in words)
    return f"this run's search is {search}, its set of layers {layers}"


def _accuracies(
    matrix: Matrix, method: str, published: Callable[[ModelReference], float]
) -> list[_Quantity]:
    """Accuracy after training, and its change against the baseline (paper: that of Table 6)."""
    return [
        _Quantity("accuracy", "accuracy", _RATE, published, _of(matrix, method, accuracy)),
        _Quantity(
            "accuracy_change",
            "change to baseline",
            _RATE,
            lambda m: published(m) - m.table6.baseline_accuracy,
            lambda model: matrix.change(model, method, accuracy),
        ),
    ]


def csv_text(table: PaperTable) -> str:
    """Plain numbers under the columns' names; an empty cell is not known."""
    rows = (map(_exact, row, table.columns) for row in table.rows)
    return separated([[column.name for column in table.columns], *rows])


def markdown_text(table: PaperTable) -> str:
    """A page of its own: title, table, note."""
    plain = page_table(table)
    lines = [
        f"# {escape(table.title)}",
        "",
        *markdown_table(plain.header, plain.rows),
        "",
        escape(table.note),
    ]
    return "\n".join(lines) + "\n"


def page_table(table: PaperTable) -> Table:
    """As the report page takes it in."""
    return Table(
        table.title,
        [column.head for column in table.columns],
        [list(map(_shown, row, table.columns)) for row in table.rows],
        table.note,
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first column is text and whose others are aligned to the right."""
    rules = [":--", *("--:" for _ in header[1:])]
    return [
        f"| {' | '.join(cells)} |"
        for cells in (
            [escape(head) for head in header],
            rules,
            *([escape(cell) for cell in row] for row in rows),
        )
    ]


def escape(text: str) -> str:
    """Text whose characters mean nothing to Markdown or HTML."""
    return unmarked(sanitize(text))


def _exact(value: Value, column: Column) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = f"{value:.{_decimals(value, column)}f}"
    return text if text.strip("-0.") else text.lstrip("-")


def _shown(value: Value, column: Column) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return sanitize(value)
    decimals = _decimals(value, column)
    text = f"{value:+,.{decimals}f}" if column.signed else f"{value:,.{decimals}f}"
    zero = not text.strip("+-0.,")
    return text.lstrip("+-") if zero else text.replace("-", MINUS)


def _decimals(value: float, column: Column) -> int:
    """A digit more for the mean of counts over seeds that lies between two of them."""
    return column.decimals or int(round(value, 1) != round(value))
