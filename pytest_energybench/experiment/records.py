"""What a case writes down about its training, and the checks that it is what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from pytest_energybench.experiment.compression.plan import CompressionPlan, Metric
    from pytest_energybench.experiment.compression.sizes import Size
    from pytest_energybench.experiment.training.datasets.data import Split
    from pytest_energybench.experiment.training.evaluate import Score
    from pytest_energybench.experiment.training.trainer import Training
    from pytest_energybench.session.fixture import Energy


@dataclass(frozen=True, slots=True)
class Measured:
    """A trained model's figures. `test` is the score after saving and loading it, `file_bytes`
    what was saved, `facts` the plan's with those that its checks counted."""

    plan: CompressionPlan
    training: Training
    test: Score
    file_bytes: int
    size: Size
    facts: Mapping[str, Metric]
    max_drop: float

    @classmethod
    def of(
        cls,
        plan: CompressionPlan,
        training: Training,
        images: Split,
        batch_size: int,
        max_drop: float,
    ) -> Measured:
        """Check that the trained model is what its method says, save it, load it into another one
        and evaluate that on `images`: the accuracy is that of what is stored."""
        from pytest_energybench.experiment.compression.run import reloaded
        from pytest_energybench.experiment.compression.sizes import size
        from pytest_energybench.experiment.training.evaluate import evaluate

        loaded, file_bytes = reloaded(plan.model)
        return cls(
            plan=plan,
            training=training,
            test=evaluate(loaded, images, batch_size),
            file_bytes=file_bytes,
            size=size(plan.model),
            facts=plan.verified(),
            max_drop=max_drop,
        )


def record(energy: Energy, measured: Measured) -> None:
    """Write everything into the case."""
    training, size = measured.training, measured.size
    best = training.best.validation
    energy.record(
        correct=measured.test.correct,
        total=measured.test.total,
        epochs=training.epochs,
        best_epoch=training.best.number,
        images_trained=training.images,
        validation_accuracy=best.accuracy,
        validation_loss=best.loss,
        parameters=size.parameters,
        bytes_stored=size.bytes_stored,
        weight_bytes=size.compressed_bytes,
        realised_rate=1 - size.compressed_bytes / _dense_bytes(energy, size),
        trainings=training.trainings,
        file_bytes=measured.file_bytes,
        **measured.facts,
    )
    _record_level(energy, measured)
    for search in measured.plan.searches:
        energy.record_search(
            parameter=search.parameter,
            found=search.found,
            curve=[(probe.level, probe.accuracy) for probe in search.curve if probe.whole],
            at_most=[(probe.level, probe.accuracy) for probe in search.curve if not probe.whole],
            evaluations=search.evaluations,
            images=search.images,
            duration_s=search.seconds,
            reference_evaluations=search.reference_evaluations,
        )
    history = training.history
    energy.record_series(
        "validation loss",
        [(epoch.number, epoch.validation.loss) for epoch in history],
        x="epoch",
        unit="nats",
    )
    energy.record_series(
        "validation accuracy",
        [(epoch.number, epoch.validation.accuracy) for epoch in history],
        x="epoch",
    )
    energy.record_series(
        "training loss",
        [(epoch.number, epoch.train_loss) for epoch in history],
        x="epoch",
        unit="nats",
    )
    energy.record_series(
        "joules so far",
        [(epoch.number, epoch.joules) for epoch in history if _known(epoch.joules)],
        x="epoch",
        unit="J",
    )
    for note in measured.plan.notes:
        energy.flag(note)
    if training.trainings > 1:
        energy.flag(
            f"trained {training.trainings} times, as the one before had lost too much; all of them"
            " count"
        )
    if training.capped:
        energy.flag(f"stopped by the cap of {training.epochs} epochs, not by early stopping")


def _dense_bytes(energy: Energy, size: Size) -> float:
    """Bytes of the baseline's compressed weights; this model's in float32 where it is alone."""
    return _of_baseline(energy, "weight_bytes") or 4 * size.compressed_parameters


def reached_by_baseline(energy: Energy) -> tuple[float | None, float | None]:
    """The accuracy, 0 to 1, and the loss in nats that the trained baseline of this case reached on
    validation, where known."""
    return _of_baseline(energy, "validation_accuracy"), _of_baseline(energy, "validation_loss")


def _of_baseline(energy: Energy, metric: str) -> float | None:
    """A figure that the baseline of this case recorded, if it did."""
    figure = None if energy.baseline is None else energy.baseline.metrics.get(metric)
    return float(figure) if isinstance(figure, int | float) else None


def _record_level(energy: Energy, measured: Measured) -> None:
    """Epochs, seconds and joules until validation first was within `max_drop` of the baseline's
    accuracy there (paper, Sections 2.4 and 3.5)."""
    reference, _ = reached_by_baseline(energy)
    if reference is None:
        reference = measured.training.best.validation.accuracy
    crossing = measured.training.first_crossing(reference - measured.max_drop)
    if crossing is None:
        energy.flag(f"validation never came within {measured.max_drop:g} of the baseline's")
        return
    energy.record(epochs_to_level=crossing.number, seconds_to_level=crossing.seconds)
    if _known(crossing.joules):
        energy.record(joules_to_level=crossing.joules)


def _known(joules: float | None) -> TypeGuard[float]:
    """Whether there is a figure: a lost domain leaves none, and during a window there is none of
    other hosts."""
    return joules is not None and math.isfinite(joules)
