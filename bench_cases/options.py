"""The `--bench-*` options as one frozen value, checked before anything is collected."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_energybench.experiment.compression.search import STRATEGIES
from pytest_energybench.experiment.rules import (
    ABLATIONS,
    BEYOND_METHODS,
    LAYER_SETS,
    LISTS,
    MATRIX_METHODS,
    with_baseline,
)
from pytest_energybench.experiment.training.datasets.fingerprints import of_ends
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.settings import (
    FOLDERS,
    PRESETS,
    Preset,
    check_weights,
    is_text,
    parse_source,
    preset,
)

INSTALL = "pip install 'pytest-energybench[bench]'"
MOST = 100_000
NEEDED = ("torch", "torchvision", "sklearn", "mlxtend", "transformers")
IMAGES_NEEDED = "--bench-preset=paper needs its images: give --bench-data=imagenet:PATH"


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What the user asked for. `preset_name` is None if the machine decides, `epochs` if the rule
    does. `subset` is a number of images of each class; None: all.

    `methods` begins with the baseline, which every other one is compared with.
    """

    preset_name: str | None
    methods: tuple[str, ...]
    data_given: str | None
    weights_given: str | None
    device: str
    max_drop: float
    search: str
    lowrank_layers: str
    seed: int
    epochs: int | None = None
    subset: int | None = None

    @classmethod
    def from_config(cls, config: pytest.Config) -> BenchOptions:
        """Read and check the options; raises pytest.UsageError naming what is allowed."""
        check_installed()
        try:
            return cls(
                preset_name=_optional(config, "preset", PRESETS),
                methods=_methods(config.getoption("bench_methods")),
                data_given=_checked_data(config.getoption("bench_data")),
                weights_given=_checked_weights(config.getoption("bench_weights")),
                device=config.getoption("bench_device"),
                max_drop=_drop(config.getoption("bench_max_drop")),
                search=_one_of("search", config.getoption("bench_search"), STRATEGIES),
                lowrank_layers=_one_of(
                    "lowrank-layers", config.getoption("bench_lowrank_layers"), LAYER_SETS
                ),
                seed=_seed(config.getoption("bench_seed")),
                epochs=_count("epochs", config.getoption("bench_epochs")),
                subset=_count("subset", config.getoption("bench_subset")),
            )._consistent()
        except SettingError as error:
            raise pytest.UsageError(str(error)) from None

    def _consistent(self) -> BenchOptions:
        if self.preset_name == "paper" and self.data_given is None:
            raise SettingError(IMAGES_NEEDED)
        if self.subset is not None and (self.data_given or "").partition(":")[0] not in FOLDERS:
            raise SettingError(
                f"--bench-subset={self.subset} takes images of each class of a folder: give"
                " --bench-data=imagefolder:PATH or imagenet:PATH"
            )
        return self

    def preset(self, cuda: bool) -> Preset:
        """The preset asked for, else quick on a CPU and standard on a GPU."""
        return preset(self.preset_name or ("standard" if cuda else "quick"))

    def data(self, chosen: Preset) -> str:
        """The images asked for, else the preset's own; raises SettingError where it has none."""
        given = None if is_text(self.data_given or "") else self.data_given
        if given is None and chosen.data is None:
            raise SettingError(IMAGES_NEEDED)
        return given or chosen.data or "mnist"

    @property
    def text(self) -> str:
        """The text asked for, else what comes with Python."""
        return self.data_given if self.data_given and is_text(self.data_given) else "topics"

    @property
    def weights_folder(self) -> str | None:
        """The folder of starting weights or of a language model, if one was given."""
        return None if self.weights_given in ("warm", "imagenet") else self.weights_given

    def weights(self, chosen: Preset) -> str:
        """The starting weights asked for, else the preset's own."""
        return self.weights_given or chosen.weights


def check_installed() -> None:
    """Raise pytest.UsageError unless the packages that the cases need are there.

    Looks for them without importing them, so that collecting stays cheap.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise pytest.UsageError(f"bench_cases needs {', '.join(missing)}: {INSTALL}")


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingError(f"--bench-{option}={value}: choose one of {', '.join(allowed)}")
    return value


def _optional(config: pytest.Config, option: str, allowed: object) -> str | None:
    value: str | None = config.getoption(f"bench_{option}")
    return None if value is None else _one_of(option, value, tuple(allowed))  # type: ignore[call-overload]


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) > 2**31:
        raise SettingError(f"--bench-seed={text}: give a number from 0 to {2**31}")
    return int(text)


def _count(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise SettingError(f"--bench-{option}={text}: give a number from 1 to {MOST}")
    return int(text)


def _drop(text: str) -> float:
    from pytest_energybench.gates.parse import QuantityError, parse_drop

    try:
        plain: str | float = float(text)
    except ValueError:
        plain = text
    try:
        drop = parse_drop(plain)
    except QuantityError as error:
        raise SettingError(f"--bench-max-drop={text}: {error}") from None
    if drop >= 1:
        raise SettingError(f"--bench-max-drop={text}: all accuracy could be lost; give less")
    return drop


def _checked_data(spec: str | None) -> str | None:
    if spec is not None and not is_text(spec):
        parse_source(spec)
    return spec


def _checked_weights(spec: str | None) -> str | None:
    if spec is not None:
        check_weights(spec)
    return spec


def _methods(text: str) -> tuple[str, ...]:
    """The methods to run, the baseline first: nothing can be judged without it."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise SettingError("--bench-methods is empty: give paper, controls, beyond, all or names")
    extra: tuple[str, ...] = ()
    if not set(words) <= {*LISTS, *MATRIX_METHODS, *BEYOND_METHODS}:
        # Only here the methods themselves are imported, and torch with them.
        from pytest_energybench.experiment.compression import registry

        extra = tuple(name for name in registry.names() if name not in ABLATIONS)
        try:
            for word in set(words) - {*LISTS, "all"}:
                registry.method(word)
        except SettingError as error:
            raise SettingError(f"{error}; or the lists {', '.join(LISTS)}, all") from None
    everything = ("paper", "beyond", *extra)
    return with_baseline([n for word in words for n in (everything if word == "all" else (word,))])


def weights_fingerprint(folder: str | None, *patterns: str) -> dict[str, str]:
    """The setting that tells two folders of one name apart; none without a folder."""
    if folder is None:
        return {}
    files = [each for pattern in patterns for each in Path(folder).expanduser().glob(pattern)]
    try:
        return {"weights_fingerprint": of_ends(sorted(files))}
    except OSError as error:  # the case that loads them says more
        return {"weights_fingerprint": f"not read: {error.strerror}"}


def without_folders(source: str) -> str:
    """`imagefolder:/home/me/cats` as `imagefolder:cats`: a report tells no home folders."""
    kind, colon, path = source.rpartition(":")
    return f"{kind}{colon}{Path(path).name}"
