"""The `--bench-*` options as one frozen value, checked before anything is collected."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import pytest

from bench_cases.methods import ABLATIONS, BASELINE, BEYOND_METHODS, PAPER_METHODS
from pytest_energybench.compression.search import STRATEGIES
from pytest_energybench.training.errors import SettingError
from pytest_energybench.training.settings import (
    PRESETS,
    Preset,
    check_weights,
    parse_source,
    preset,
)

INSTALL = "pip install 'pytest-energybench[bench]'"
NEEDED = ("torch", "torchvision", "sklearn", "tqdm")


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What the user asked for. `preset_name` is None where the machine decides.

    `methods` begins with the baseline, which every other one is compared with.
    """

    preset_name: str | None
    methods: tuple[str, ...]
    data_given: str | None
    weights_given: str | None
    device: str
    max_drop: float
    search: str
    seed: int

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
                max_drop=_number(config, "max_drop", float, 0.0, 1.0),
                search=_one_of("search", config.getoption("bench_search"), STRATEGIES),
                seed=int(_number(config, "seed", int, 0, 2**31)),
            )._consistent()
        except SettingError as error:
            raise pytest.UsageError(str(error)) from None

    def _consistent(self) -> BenchOptions:
        if self.preset_name == "paper" and self.data_given is None:
            raise SettingError(
                "--bench-preset=paper needs its images: give --bench-data=imagenet:PATH"
            )
        return self

    def preset(self, cuda: bool) -> Preset:
        """The preset asked for, else quick on a CPU and standard on a GPU."""
        return preset(self.preset_name or ("standard" if cuda else "quick"))

    def data(self, chosen: Preset) -> str:
        """The data asked for, else the preset's own."""
        return self.data_given or chosen.data or "digits"

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


def _number(
    config: pytest.Config, option: str, kind: type[int] | type[float], low: float, high: float
) -> float:
    text = config.getoption(f"bench_{option}")
    try:
        value = kind(text)
    except ValueError:
        value = kind(-1)
    if not low <= value <= high:
        name = option.replace("_", "-")
        raise SettingError(f"--bench-{name}={text}: give a number from {low:g} to {high:g}")
    return value


def _checked_data(spec: str | None) -> str | None:
    if spec is not None:
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
        raise SettingError("--bench-methods is empty: give paper, beyond, all or names")
    lists = {"paper": PAPER_METHODS, "beyond": BEYOND_METHODS}
    if not set(words) <= {*lists, *PAPER_METHODS, *BEYOND_METHODS}:
        # Only here the methods themselves are imported, and torch with them.
        from pytest_energybench.compression import registry

        meant = (name for name in registry.names() if name not in ABLATIONS)
        lists["all"] = (*PAPER_METHODS, *BEYOND_METHODS, *meant)
        try:
            for word in set(words) - lists.keys():
                registry.method(word)
        except SettingError as error:
            raise SettingError(f"{error}; or the lists paper, beyond, all") from None
    chosen = (name for word in words for name in lists.get(word, (word,)))
    return tuple(dict.fromkeys((BASELINE, *chosen)))
