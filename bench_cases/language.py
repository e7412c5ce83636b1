"""The experiments on language models that the options ask for: one a decoder, on one text."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch

from bench_cases.options import BenchOptions, weights_fingerprint, without_folders
from pytest_energybench.experiment import Experiment
from pytest_energybench.experiment.compression.plan import CompressionPlan
from pytest_energybench.experiment.experiment import machine_settings, rules_of
from pytest_energybench.experiment.training.language.models import Pretrained, from_folder
from pytest_energybench.experiment.training.language.pretraining import pretrained
from pytest_energybench.experiment.training.language.sizes import size_of
from pytest_energybench.experiment.training.language.text import TextData, text_data, to_bytes
from pytest_energybench.experiment.training.progress import Progress
from pytest_energybench.experiment.training.settings import TrainSettings

MOST_RISE = 0.01
"""A method may raise the perplexity by one per cent, beside the accuracy that it may lose."""


class LanguageExperiments:
    """What the cases of all decoders share: options, device and text.

    With `--bench-weights=DIR` there is one decoder, that of the folder, and its tokenizer.
    """

    def __init__(self, options: BenchOptions, device: torch.device) -> None:
        self._options = options
        self._device = device
        self._preset = options.preset(cuda=device.type == "cuda")
        self._size = size_of(self._preset)
        self._data: TextData | None = None
        self._folder: Pretrained | None = None
        self._experiments: dict[str, Experiment] = {}

    def of(self, name: str, progress: Progress) -> Experiment:
        """The experiment of this decoder, made once; its pretraining, one a seed, `progress` hears
        of."""
        if name not in self._experiments:
            self._experiments[name] = self._made(name, progress)
        return self._experiments[name]

    def _made(self, name: str, progress: Progress) -> Experiment:
        given = self._given()
        if given is not None:
            given.check_is(name)
        data = self._text()

        def start(seed: int) -> CompressionPlan:
            if given is not None:
                return CompressionPlan(given.model)
            model, notes = pretrained(name, self._size, data, seed, self._device, progress=progress)
            return CompressionPlan(model, notes=tuple(notes))

        return Experiment(
            name,
            model=start,
            train=data.train,
            validation=data.validation,
            test=data.test,
            train_settings=self._rules(),
            device=self._device,
            max_drop=self._options.max_drop,
            max_perplexity_rise=MOST_RISE,
            search=self._options.search,
            lowrank_layers=self._options.lowrank_layers,
            keep_trained=True,
        )

    def _given(self) -> Pretrained | None:
        """The decoder of `--bench-weights=DIR`, read once."""
        folder = self._options.weights_folder
        if folder is not None and self._folder is None:
            self._folder = from_folder(Path(folder).expanduser())
        return self._folder

    def _text(self) -> TextData:
        """The text in the tokens of the decoders, split once."""
        if self._data is None:
            given = self._given()
            encode = to_bytes if given is None else given.encode
            self._data = text_data(self._options.text, encode, self._size.length, self._device)
        return self._data

    def _rules(self) -> TrainSettings:
        rules = self._size.train_settings(self._options.seed)
        return replace(rules, fixed_epochs=self._options.epochs)

    def settings(self) -> dict[str, str | int | float | bool]:
        """What the figures depend on, for the run file."""
        folder = self._options.weights_folder
        return {
            "preset": self._preset.name,
            "data": without_folders(self._options.text),
            "data_fingerprint": self._text().fingerprint,
            "weights": "warm" if folder is None else without_folders(folder),
            **weights_fingerprint(folder, "*.safetensors", "*.json"),
            "max_drop": self._options.max_drop,
            "max_perplexity_rise": MOST_RISE,
            "search": self._options.search,
            "lowrank_layers": self._options.lowrank_layers,
            "size": str(self._size) if folder is None else "of the folder",
            **rules_of(self._rules()),
            "transformers": version("transformers"),
            **machine_settings(self._device),
        }
