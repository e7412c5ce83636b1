"""One model on one data set, trained with any method under the same rules, as metered cases."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression import registry
from pytest_energybench.experiment.compression.plan import CompressionPlan, Method, Task
from pytest_energybench.experiment.compression.run import Prepared, prepare, warm_up
from pytest_energybench.experiment.compression.search import STRATEGIES
from pytest_energybench.experiment.compression.targets import size
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.records import (
    Measured,
    Reached,
    record,
    record_level,
    recorded_by_baseline,
)
from pytest_energybench.experiment.rules import (
    BASELINE,
    LAYER_SETS,
    rule,
    saves_by_type_alone,
)
from pytest_energybench.experiment.start import Given, Starts, check_fits
from pytest_energybench.experiment.training.datasets.data import Splits
from pytest_energybench.experiment.training.datasets.own import Images, splits_of
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.errors import SettingError, TrainingError
from pytest_energybench.experiment.training.evaluate import check_knows_classes
from pytest_energybench.experiment.training.hardware import choose_device, float32_arithmetic
from pytest_energybench.experiment.training.progress import Part, Progress
from pytest_energybench.experiment.training.settings import TrainSettings

if TYPE_CHECKING:
    from pytest_energybench.session.fixture import Energy


class Experiment:
    """A pretrained model, the data that it is trained further on, and the rules of both.

    Attributes:
        name: the model's, for messages and reports.
        data: its three splits.
        train_settings: the rules that it trains by, with every method.
        device: where it trains.
        max_drop: accuracy that a method may lose against the baseline, absolute, 0 to 1.
        max_perplexity_rise: by which share the perplexity may rise, too (0.01 is 1 %); None: it
            decides nothing. `tolerance` is both.
        search: how methods look for their level, `bisection` or `exhaustive`.
        lowrank_layers: which layers low rank may take: `wide`, convolutions and pointwise linear
            layers, or `paper`, all convolutions.
        keep_trained: `trained` gives the models that were trained, which are kept in memory.
        whole_curves: the accuracy of every level that a search probes is wanted; otherwise a level
            that has failed sees no more images.
    """

    def __init__(
        self,
        name: str,
        *,
        model: Given,
        train: Images,
        validation: Images,
        test: Images,
        train_settings: TrainSettings | None = None,
        device: str | torch.device = "auto",
        max_drop: float = 0.01,
        max_perplexity_rise: float | None = None,
        search: str = "bisection",
        lowrank_layers: str = "wide",
        whole_curves: bool = False,
        keep_trained: bool = False,
    ) -> None:
        """
        Args:
            name: any text.
            model: the pretrained model, or a function that gives it, the same weights each time;
                every training has a copy. A function with a parameter `seed` is given the round's,
                for a start of its own. The model takes batches of `train`'s images, and gives
                logits (batch, classes). A `CompressionPlan` may hold it, with notes for the report.
            train: images (n, ...) float32, or tokens (n, length), with class numbers (n,) as two
                tensors, a torch data set of (image, class number), or a `Split` of your own.
            validation: what methods decide on and early stopping looks at.
            test: what accuracy is told on; nothing is decided by it.

        Raises:
            DataError: a split that can't be used.
            SettingError: the device is not there, or an argument is none of those there are.
        """
        _check(search, lowrank_layers, max_drop)
        self.name = name
        self.device = choose_device(str(device))
        self.data: Splits = splits_of(train, validation, test, self.device)
        self.train_settings = train_settings or TrainSettings()
        self.max_drop = max_drop
        self.max_perplexity_rise = max_perplexity_rise
        self.tolerance = Tolerance.of(max_drop, max_perplexity_rise)
        self.search = search
        self.lowrank_layers = lowrank_layers
        self.whole_curves = whole_curves
        self.keep_trained = keep_trained
        self._trained: dict[tuple[str, int], nn.Module] = {}
        self._starts = Starts(model, self.device)
        self._references: dict[int, Reached] = {}
        self._known: set[int] = set()
        self._fits = False

    def run(self, energy: Energy, method: str) -> None:
        """Train the model with `method` as the case of `energy`, and assert what it claims.

        Warm start, search and scoring stand outside the metered training. A method's case holds
        when it loses at most `max_drop` of accuracy against the baseline, and takes less energy.
        Each round has a seed of its own, that of `train_settings` plus the round's number, for all
        that is random: a start that takes one, search, order of the data, dropout.

        Args:
            energy: the fixture of the test.
            method: `baseline`, one of the registered methods, or several joined with `+`.

        Raises:
            AssertionError: it lost too much, or saved nothing.
        """
        __tracebackhide__ = True
        with failing_in_a_line():
            lacks = self._train(energy, method)
        try:
            assert_saves_energy(energy, method, lacks)
        finally:  # all are judged, and an accuracy that was lost is no expected failure
            try:
                energy.assert_accuracy_within_baseline(max_drop=self.max_drop)
            finally:
                if self.max_perplexity_rise is not None:
                    energy.assert_perplexity_within_baseline(max_rise=self.max_perplexity_rise)

    def trained(self, energy: Energy, method: str) -> nn.Module:
        """The model that `method` trained in this round, as `run` left it with `keep_trained`; it
        is trained now, outside of all windows, where `run` had no turn in this process."""
        rules = self._rules(energy)
        if (method, rules.seed) not in self._trained:
            with energy.heavy_work("training"):
                plan = self._starts.of(rules.seed)
                if method != BASELINE:
                    reached = self._reached_by_baseline(energy, rules)
                    chosen = registry.method(method)
                    plan = self._compress(plan, chosen, rules.seed, reached, energy.progress)
                prepared = self._prepare(plan, method, rules)
                prepared.train(self.data, progress=energy.progress)
            self._trained[method, rules.seed] = prepared.plan.model
        return self._trained[method, rules.seed]

    def _rules(self, energy: Energy) -> TrainSettings:
        return replace(self.train_settings, seed=self.train_settings.seed + energy.round)

    def settings(self) -> dict[str, str | int | float | bool]:
        """What the figures depend on, for the hook `pytest_energy_settings`."""
        return {
            "data_fingerprint": self.data.fingerprint,
            "max_drop": self.max_drop,
            **(
                {}
                if self.max_perplexity_rise is None
                else {"max_perplexity_rise": self.max_perplexity_rise}
            ),
            "search": self.search,
            "lowrank_layers": self.lowrank_layers,
            "whole_curves": self.whole_curves,
            **rules_of(self.train_settings),
            **machine_settings(self.device),
        }

    def _train(self, energy: Energy, method: str) -> str | None:
        """Everything up to the figures; returns what the device lacks for the method, if so."""
        progress = energy.progress
        rules = self._rules(energy)
        with energy.heavy_work("warm start"):
            plan = self._starts.of(rules.seed)
            if not self._fits:
                check_fits(plan.model, self.data, rules.evaluation_batch)
                self._fits = True
        dense_bytes = size(plan.model).compressed_bytes
        reached = None
        if method != BASELINE:
            chosen = registry.method(method)
            if not rule(method).reported_only:
                self._check_start(energy, plan.model, rules)
            reached = self._reached_by_baseline(energy, rules)
            with energy.measure("search", counted=False):
                plan = self._compress(plan, chosen, rules.seed, reached, progress)
        with energy.heavy_work("warm-up"):
            prepared = self._prepare(plan, method, rules)

        with energy.measure("train") as window:
            training = prepared.train(self.data, window.joules_so_far, progress)

        with energy.heavy_work("scoring"):
            measured = Measured.of(prepared.plan, training, self.data.test, rules.evaluation_batch)
            record(energy, measured, dense_bytes)
            energy.record(seed=rules.seed)
            record_level(energy, training, reached, self.max_drop)
        if self.keep_trained:
            self._trained[method, rules.seed] = prepared.plan.model
        return prepared.plan.lacks

    def _check_start(self, energy: Energy, model: nn.Module, rules: TrainSettings) -> None:
        """See that a start knows its classes; all methods of a seed have the same one."""
        if rules.seed in self._known:
            return
        with energy.heavy_work("starting accuracy"):
            check_knows_classes(model, self.data.validation, rules.evaluation_batch)
        self._known.add(rules.seed)

    def _reached_by_baseline(self, energy: Energy, rules: TrainSettings) -> Reached:
        """What the baseline reaches on validation that is trained with these rules and seed.

        Where rounds run backwards, the baseline's turn of this seed is still to come: it is trained
        once outside of all windows, so that no figure depends on the order of the cases. Of several
        ranks all train it where one has no record of it: one alone would wait for the others.
        """
        ranks = current()
        found = recorded_by_baseline(energy, rules.seed) or self._references.get(rules.seed)
        there = ranks.summed(found is not None)[0]
        if found is None or there < ranks.share.world:
            with energy.heavy_work("reference"):
                prepared = self._prepare(self._starts.of(rules.seed), BASELINE, rules)
                trained = prepared.train(self.data, progress=Part(energy.progress, "reference"))
            best = trained.best.validation
            found = self._references[rules.seed] = Reached(best.accuracy, best.loss)
        return found

    def _compress(
        self, plan: CompressionPlan, method: Method, seed: int, reached: Reached, progress: Progress
    ) -> CompressionPlan:
        """Let the method decide, on validation, where the trained baseline `reached` that much."""
        task = Task(
            data=self.data,
            tolerance=self.tolerance,
            evaluation_batch=self.train_settings.evaluation_batch,
            strategy=self.search,
            lowrank_layers=self.lowrank_layers,
            seed=seed,
            trained_accuracy=reached.accuracy,
            trained_loss=reached.loss,
            whole_curve=self.whole_curves,
            progress=progress,
        )
        return method(plan, task)

    def _prepare(self, plan: CompressionPlan, method: str, rules: TrainSettings) -> Prepared:
        """Put the model into the type it trains in, after a warm-up on a copy of it.

        The first steps of a kind pay for choosing and building kernels. They belong to no method,
        and the baseline, which runs first, would pay for all.
        """
        kernels = warm_up(plan, self.data, rules, self.device)
        return prepare(plan.noted(**kernels), rules, self.device, f"{self.name}-{method}")


def _check(search: str, lowrank_layers: str, max_drop: float) -> None:
    """Raise SettingError for an argument that means nothing, before anything is trained."""
    for name, value, allowed in (
        ("search", search, STRATEGIES),
        ("lowrank_layers", lowrank_layers, LAYER_SETS),
    ):
        if value not in allowed:
            raise SettingError(f"{name}={value!r}: choose one of {', '.join(allowed)}")
    if not 0 <= max_drop < 1:
        raise SettingError(f"max_drop={max_drop:g}: one point of accuracy is 0.01")


@contextmanager
def failing_in_a_line() -> Iterator[None]:
    """Data, weights or a training that go wrong end the test with their message, no traceback."""
    try:
        yield
    except TrainingError as error:
        pytest.fail(f"{type(error).__name__}: {error}", pytrace=False)


def rules_of(train: TrainSettings) -> dict[str, Any]:
    """The rules of a training by name, without those that are not set."""
    found = {field.name: getattr(train, field.name) for field in fields(train)}
    return {name: value for name, value in found.items() if value is not None}


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""How threads wait for each other: spinning is CPU time, and estimates are made of it."""


def machine_settings(device: torch.device) -> dict[str, Any]:
    """Versions, threads and arithmetic that a training's figures depend on."""
    return {
        "device": str(device),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        **float32_arithmetic(device),
        "python": platform.python_version(),
        **{name.lower(): os.environ[name] for name in WAITING if name in os.environ},
    }


def assert_saves_energy(energy: Energy, method: str, lacks: str | None = None) -> None:
    """Energy is below the baseline's; nothing is compared in the baseline's own case, nor with a
    method that is a control.

    Where the paper itself finds no saving, missing it reproduces a negative finding and must not
    turn the suite red: it ends as xfail with the paper's section. So does what a device can't save
    for want of a narrow number type, with what it `lacks` as the reason, unless the method removes
    structure, too. Where there are no two figures to compare, nothing was missed, and it fails. A
    saving simply passes.
    """
    __tracebackhide__ = True
    if rule(method).reported_only:
        return
    reason = rule(method).paper or (lacks if lacks and saves_by_type_alone(method) else None)
    before = len(energy.case().comparisons)
    try:
        energy.assert_below_baseline(margin=0.0)
    except AssertionError as missed:
        compared = energy.case().comparisons[before:]
        if reason is None or all(each.estimate is None for each in compared):
            raise
        pytest.xfail(f"{reason}\n{missed}")
