"""What a case writes down about its training, and the checks that it is what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from pytest_energybench.experiment.views import ACCURACY, JOULES, LOSS, first_crossing
from pytest_energybench.results.answers import BLOCK_ACCURACY, BLOCK_LOSS

if TYPE_CHECKING:
    from pytest_energybench.experiment.compression.plan import CompressionPlan, Metric
    from pytest_energybench.experiment.compression.targets import Size
    from pytest_energybench.experiment.training.datasets.data import Split
    from pytest_energybench.experiment.training.evaluate import Answers, Score
    from pytest_energybench.experiment.training.trainer import Training
    from pytest_energybench.session.fixture import Energy


BLOCK: Final = 1024
"""Tokens of a block of the test text that counts as independent of others: what a token depends on
lies within a window, and the difference of two models within a passage."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A trained model's figures. `test` is the score after saving and loading it, `answers` those
    to each image or text (none if several ranks shared them), `file_bytes` what was saved, `facts`
    the plan's with those that its checks counted, `length` the tokens of a text, 1 of an image."""

    plan: CompressionPlan
    training: Training
    test: Score
    answers: Answers
    file_bytes: int
    size: Size
    facts: Mapping[str, Metric]
    length: int

    @classmethod
    def of(
        cls, plan: CompressionPlan, training: Training, images: Split, batch_size: int
    ) -> Measured:
        """Check that the trained model is what its method says, save it, load it into another one
        and evaluate that on `images`: the accuracy is that of what is stored."""
        from pytest_energybench.experiment.compression.run import reloaded
        from pytest_energybench.experiment.compression.targets import size
        from pytest_energybench.experiment.training.evaluate import Answers, evaluate

        loaded, file_bytes = reloaded(plan.model)
        answers = Answers()
        test = evaluate(loaded, images, batch_size, answers=answers)
        return cls(
            plan=plan,
            training=training,
            test=test,
            answers=answers,
            file_bytes=file_bytes,
            size=size(plan.model),
            facts=plan.verified(),
            length=test.total // len(images),
        )


def record(energy: Energy, measured: Measured, dense_bytes: int) -> None:
    """Write everything into the case; `dense_bytes` are those of the model's weights before any
    method changed them."""
    training, size = measured.training, measured.size
    best = training.best.validation
    facts: dict[str, Any] = dict(measured.facts)
    trained: dict[str, Any] = {"images_trained": training.images}
    if measured.length > 1:
        tokens = training.images * measured.length
        trained = {"tokens_trained": tokens, "perplexity": measured.test.perplexity}
    energy.record(
        answers=measured.answers.right or None if measured.length == 1 else None,
        correct=measured.test.correct,
        total=measured.test.total,
        epochs=training.epochs,
        best_epoch=training.best.number,
        **trained,
        validation_accuracy=best.accuracy,
        validation_loss=best.loss,
        parameters=size.parameters,
        bytes_stored=size.bytes_stored,
        weight_bytes=size.compressed_bytes,
        realised_rate=1 - size.compressed_bytes / dense_bytes,
        trainings=training.trainings,
        file_bytes=measured.file_bytes,
        optimizer_bytes=training.optimizer_bytes,
        **facts,
    )
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
        LOSS, [(epoch.number, epoch.validation.loss) for epoch in history], x="epoch", unit="nats"
    )
    energy.record_series(
        ACCURACY, [(epoch.number, epoch.validation.accuracy) for epoch in history], x="epoch"
    )
    energy.record_series(
        "training loss",
        [(epoch.number, epoch.train_loss) for epoch in history],
        x="epoch",
        unit="nats",
    )
    energy.record_series(
        JOULES,
        [(epoch.number, epoch.joules) for epoch in history if _known(epoch.joules)],
        x="epoch",
        unit="J",
    )
    if measured.length > 1:
        _record_blocks(energy, measured)
    for note in measured.plan.notes:
        energy.flag(note)
    if training.trainings > 1:
        energy.flag(
            f"trained {training.trainings} times, as the one before had lost too much; all of them"
            " count"
        )
    if training.capped:
        energy.flag(f"stopped by the cap of {training.epochs} epochs, not by early stopping")


def _record_blocks(energy: Energy, measured: Measured) -> None:
    """Accuracy and loss of the test text, block by block; what fills no block is in the last."""
    answers = measured.answers
    size = max(1, BLOCK // measured.length)
    starts = range(0, max(1, len(answers.right) - size + 1), size)
    for name, values, each in (
        (BLOCK_ACCURACY, answers.right, measured.length),
        (BLOCK_LOSS, answers.losses, 1),
    ):
        points = []
        for number, start in enumerate(starts, 1):
            part = values[start : None if number == len(starts) else start + size]
            if part:
                points.append((number, round(fmean(part) / each, 6)))
        energy.record_series(name, points, x="block")


@dataclass(frozen=True, slots=True)
class Reached:
    """What a trained baseline reached on validation: accuracy, 0 to 1, and loss in nats."""

    accuracy: float
    loss: float


def recorded_by_baseline(energy: Energy, seed: int) -> Reached | None:
    """What the baseline of this case recorded in its round with this seed, where that ran."""
    for each in energy.baseline.rounds if energy.baseline is not None else ():
        accuracy, loss = (each.metrics.get(f"validation_{name}") for name in ("accuracy", "loss"))
        if each.seed == seed and isinstance(accuracy, float) and isinstance(loss, float):
            return Reached(accuracy, loss)
    return None


def record_level(
    energy: Energy, training: Training, reached: Reached | None, max_drop: float
) -> None:
    """Joules until validation first was within `max_drop` of the accuracy that the baseline
    `reached` there; None is the baseline itself.

    A model that was changed and trained again has none: what crossed was another model.
    """
    level = (reached or training.best.validation).accuracy - max_drop
    accuracies = [epoch.validation.accuracy for epoch in training.history]
    crossing = first_crossing(accuracies, level)
    if crossing is None:
        energy.flag(f"validation never came within {max_drop:g} of the baseline's")
    elif training.trainings == 1 and _known(joules := training.history[crossing - 1].joules):
        energy.record(joules_to_level=joules)


def _known(joules: float | None) -> TypeGuard[float]:
    """Whether there is a figure: a lost domain leaves none, and during a window there is none of
    other hosts."""
    return joules is not None and math.isfinite(joules)
