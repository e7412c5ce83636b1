"""The experiments that the options ask for: one a model, on data that are loaded once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from importlib.metadata import version

from bench_cases.language import LanguageExperiments
from bench_cases.options import BenchOptions, weights_fingerprint, without_folders
from pytest_energybench.experiment import Experiment
from pytest_energybench.experiment.compression.plan import CompressionPlan
from pytest_energybench.experiment.experiment import machine_settings, rules_of
from pytest_energybench.experiment.training.datasets.data import Data
from pytest_energybench.experiment.training.datasets.sources import load_data
from pytest_energybench.experiment.training.distributed import ManyRanks, enter, own_device
from pytest_energybench.experiment.training.hardware import choose_device
from pytest_energybench.experiment.training.initial_weights import starting_model
from pytest_energybench.experiment.training.language.sizes import ARCHITECTURES
from pytest_energybench.experiment.training.model_names import model_names
from pytest_energybench.experiment.training.progress import Progress
from pytest_energybench.experiment.training.rank_coordinator import RankCoordinator
from pytest_energybench.experiment.training.settings import Preset, Size, TrainSettings

IN_SIZE = ("batch_size", "images_per_epoch")
"""Rules that are each model's own: its size says them."""


class Experiments:
    """What all cases share: options, device, preset and data."""

    def __init__(self, options: BenchOptions, roll: RankCoordinator | None = None) -> None:
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
        self._experiments: dict[str, Experiment] = {}

    @cached_property
    def preset(self) -> Preset:
        return self.options.preset(cuda=self.device.type == "cuda")

    @cached_property
    def language(self) -> LanguageExperiments:
        """Those on decoders and text."""
        return LanguageExperiments(self.options, self.device)

    def of(self, model: str, progress: Progress) -> Experiment:
        """The experiment of this model, made once; its warm starts, one a seed, `progress` hears
        of."""
        if model in ARCHITECTURES:
            return self.language.of(model, progress)
        if model not in self._experiments:
            self._experiments[model] = self._made(model, progress)
        return self._experiments[model]

    def _made(self, model: str, progress: Progress) -> Experiment:
        data = self.data(model)

        def start(seed: int) -> CompressionPlan:
            weights = self.options.weights(self.preset)
            made = starting_model(model, data, weights, seed, self.device, progress=progress)
            return CompressionPlan(made.model, notes=made.notes)

        return Experiment(
            model,
            model=start,
            train=data.train,
            validation=data.validation,
            test=data.test,
            train_settings=self._rules(model),
            device=self.device,
            max_drop=self.options.max_drop,
            search=self.options.search,
            lowrank_layers=self.options.lowrank_layers,
            whole_curves=self.preset.whole_curves,
        )

    def _rules(self, model: str) -> TrainSettings:
        rules = self.preset.train_settings(model, self.options.seed)
        return replace(rules, fixed_epochs=self.options.epochs)

    def data(self, model: str) -> Data:
        """The data set at this model's input size, loaded and checked at first use."""
        size = self.preset.size_of(model).image
        if size not in self._data:
            source = self.options.data(self.preset)
            workers, subset = self.preset.workers, self.options.subset
            self._data[size] = load_data(source, size, self.device, workers, subset)
        return self._data[size]

    def settings(self) -> dict[str, str | int | float | bool]:
        """What the figures depend on, for the run file."""
        chosen = self.preset
        rules = rules_of(self._rules(""))
        return {
            "preset": chosen.name,
            "data": without_folders(self.options.data(chosen)),
            "data_fingerprint": self._fingerprint(),
            "weights": without_folders(self.options.weights(chosen)),
            **weights_fingerprint(self.options.weights_folder, "*.pt"),
            "max_drop": self.options.max_drop,
            "search": self.options.search,
            "lowrank_layers": self.options.lowrank_layers,
            "whole_curves": chosen.whole_curves,
            **{f"size_{model}": _described(chosen.size_of(model)) for model in model_names()},
            **{name: rule for name, rule in rules.items() if name not in IN_SIZE},
            "torchvision": version("torchvision"),
            **({"ranks": self.world} if self.world > 1 else {}),
            **({} if self.options.subset is None else {"subset": self.options.subset}),
            **machine_settings(self.device),
        }

    def _fingerprint(self) -> str:
        """Which images, in which split, at whatever size: a folder of one name may hold others."""
        data = next(iter(self._data.values()), None) or self.data("")
        return data.fingerprint.replace(f"-{data.image_size}-", "-", 1)


def _described(size: Size) -> str:
    steps = "all" if size.steps is None else size.steps
    return f"{size.image} px, batches of {size.batch}, {steps} steps an epoch"
