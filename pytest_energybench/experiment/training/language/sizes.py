"""Names and sizes of the language models, and the rules they train by; without loading torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pytest_energybench.experiment.training.settings import Preset, TrainSettings

ARCHITECTURES: Final[Mapping[str, str]] = MappingProxyType({"llama": "llama", "neox": "gpt_neox"})
"""Name of a case -> `model_type` in a configuration of `transformers`."""


@dataclass(frozen=True, slots=True)
class LanguageSize:
    """A decoder: `hidden` numbers a token, `inner` in its MLPs, both in `layers` layers of `heads`
    heads. It reads windows of `length` tokens, `batch` a step, `windows` an epoch; it is pretrained
    on `pretraining` windows."""

    hidden: int
    inner: int
    layers: int
    heads: int
    windows: int
    pretraining: int
    batch: int = 8
    length: int = 128

    def __str__(self) -> str:
        return (
            f"{self.layers} layers of {self.hidden}, {self.heads} heads, {self.length} tokens,"
            f" batches of {self.batch}, {self.windows} windows an epoch"
        )

    def train_settings(self, seed: int) -> TrainSettings:
        """The paper's rule of stopping, and AdamW as decoders are trained with it (Touvron et al.
        2023, Section 2.3): SGD at the paper's rate hardly trains one."""
        return TrainSettings(
            optimizer="adamw",
            learning_rate=1e-3,
            weight_decay=0.1,
            max_epochs=6,
            batch_size=self.batch,
            images_per_epoch=self.windows,
            evaluation_batch=4 * self.batch,
            seed=seed,
        )


SIZES: Final[Mapping[str, LanguageSize]] = MappingProxyType(
    {
        "quick": LanguageSize(256, 768, 2, 4, windows=200, pretraining=2880),
        "standard": LanguageSize(256, 768, 6, 4, windows=448, pretraining=2880),
        "paper": LanguageSize(384, 1024, 8, 6, windows=544, pretraining=4800),
    }
)
"""Preset -> the size of the models. On two cores an epoch takes about 4, 20 and 60 s."""


def size_of(preset: Preset) -> LanguageSize:
    """The size of the language models in this preset."""
    return SIZES[preset.name]
