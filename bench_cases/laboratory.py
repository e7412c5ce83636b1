"""What the cases share: data loaded once, starting models, and the steps around a training."""

from __future__ import annotations

import platform
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import torch

from bench_cases.options import BenchOptions
from pytest_energybench.compression import registry
from pytest_energybench.compression.plan import Plan, Task
from pytest_energybench.compression.run import Prepared, prepare, warm_up
from pytest_energybench.training.data import Data
from pytest_energybench.training.evaluate import evaluate
from pytest_energybench.training.hardware import choose_device, float32_arithmetic
from pytest_energybench.training.ranks import ManyRanks, enter, own_device
from pytest_energybench.training.rollcall import RollCall
from pytest_energybench.training.settings import Preset, TrainSettings
from pytest_energybench.training.sources import load_data
from pytest_energybench.training.starting import starting_model


class Laboratory:
    """The experiment as the options ask for it, on the device they ask for."""

    def __init__(self, options: BenchOptions, roll: RollCall | None = None) -> None:
        """Raises SettingError when the device is not there.

        Args:
            roll: the ranks that train together; None for this process alone.
        """
        self.options = options
        self.device = choose_device(options.device)
        self.world = 1
        if roll is not None:
            self.device = own_device(self.device)
            self.world = roll.world
            enter(ManyRanks(roll, self.device))
        self._data: dict[int, Data] = {}

    @cached_property
    def preset(self) -> Preset:
        return self.options.preset(cuda=self.device.type == "cuda")

    def train_settings(self, model: str) -> TrainSettings:
        """The rules this model trains by, with every method."""
        return self.preset.train_settings(model, self.options.seed)

    def data(self, model: str) -> Data:
        """The data set at this model's input size, loaded and checked at first use."""
        size = self.preset.input_size(model)
        if size not in self._data:
            source = self.options.data(self.preset)
            self._data[size] = load_data(source, size, self.device, self.preset.workers)
        return self._data[size]

    def start(self, model: str) -> Plan:
        """The model with its starting weights, uncompressed."""
        start = starting_model(
            model,
            self.data(model),
            self.options.weights(self.preset),
            self.options.seed,
            self.device,
        )
        return Plan(start.model, notes=start.notes)

    def compress(
        self,
        plan: Plan,
        model: str,
        method: str,
        trained_accuracy: float | None = None,
        trained_loss: float | None = None,
    ) -> Plan:
        """Let the method decide, on validation, where the trained baseline reached that much."""
        task = Task(
            data=self.data(model),
            device=self.device,
            max_drop=self.options.max_drop,
            evaluation_batch=self.preset.evaluation_batch,
            strategy=self.options.search,
            seed=self.options.seed,
            trained_accuracy=trained_accuracy,
            trained_loss=trained_loss,
        )
        return registry.method(method)(plan, task)

    def prepare(self, plan: Plan, model: str, method: str) -> Prepared:
        """Put the model into the type it trains in, after a warm-up on a copy of it.

        The first steps of a kind pay for choosing and building kernels. They belong to no method,
        and the baseline, which runs first, would pay for all.
        """
        settings = self.train_settings(model)
        warm_up(plan, self.data(model), settings, self.device)
        return prepare(plan, settings, self.device, f"{model}-{method}")

    def accuracy(self, plan: Plan, model: str) -> tuple[int, int]:
        """Correct and total on the test images."""
        score = evaluate(plan.model, self.data(model).test, self.preset.evaluation_batch)
        return score.correct, score.total

    def settings(self) -> dict[str, str | int | float | bool]:
        """What the figures depend on, for the run file."""
        chosen = self.preset
        train = chosen.train_settings("", self.options.seed)
        return {
            "preset": chosen.name,
            "data": _without_folders(self.options.data(chosen)),
            "weights": _without_folders(self.options.weights(chosen)),
            "device": str(self.device),
            "max_drop": self.options.max_drop,
            "search": self.options.search,
            "seed": self.options.seed,
            "batch_size": chosen.batch_size,
            "plain_batch_size": chosen.plain_batch_size,
            "steps_per_epoch": chosen.steps_per_epoch or "all",
            "heavy_steps_per_epoch": chosen.heavy_steps_per_epoch or "all",
            "learning_rate": train.learning_rate,
            "max_epochs": train.max_epochs,
            "torch": str(torch.__version__),
            "torchvision": version("torchvision"),
            "threads": torch.get_num_threads(),
            **({"ranks": self.world} if self.world > 1 else {}),
            **float32_arithmetic(self.device),
            "python": platform.python_version(),
        }


def _without_folders(source: str) -> str:
    """`imagefolder:/home/me/cats` as `imagefolder:cats`: a report tells no home folders."""
    kind, colon, path = source.rpartition(":")
    return f"{kind}{colon}{Path(path).name}"
