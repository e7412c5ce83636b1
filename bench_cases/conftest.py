"""Cases of the paper: one per model and method, parametrized from the `--bench-*` options."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench_cases.options import BenchOptions
from pytest_energybench.experiment.rules import MATRIX_METHODS, RULES, case
from pytest_energybench.experiment.training.errors import SettingError, TrainingError
from pytest_energybench.experiment.training.language.sizes import ARCHITECTURES
from pytest_energybench.experiment.training.model_names import model_names
from pytest_energybench.session.role import ranks_of, role_of
from pytest_energybench.session.screen import progress_of

if TYPE_CHECKING:
    from bench_cases.experiments import Experiments
    from pytest_energybench.experiment import Experiment
    from pytest_energybench.report.attachments import Attachment
    from pytest_energybench.results.model import Run
    from pytest_energybench.session.fixture import Energy
    from pytest_energybench.session.role import Ranks

PAPER_PUE = 1.58
"""The data-centre factor of the paper (Section 2.3): facility energy = 1.58 x IT energy."""

SPINS = "20000"
"""How often a waiting OpenMP thread looks before it sleeps; GNU's default is 300,000 times.

An estimate counts that spinning as work, and on a busy machine it is most of the CPU time. This
value costs nothing on a quiet machine (docs/measuring.md, Background load). It is set before torch
is loaded, unless the user has set it.
"""

INFERENCES = [(phase, batch) for phase in ("prefill", "decode") for batch in (1, 16)]
"""What a trained decoder is metered at: it reads prompts, or writes, so many texts at a time."""

OPTIONS = pytest.StashKey[BenchOptions]()
KINDS = pytest.StashKey[set[str]]()
"""Which files the cases are from: `paper`, `language`, ..."""

EXPERIMENTS = pytest.StashKey["Experiments"]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if config.getoption("energy_pue") is None and not config.getini("energy_pue"):
        config.option.energy_pue = PAPER_PUE
    options = BenchOptions.from_config(config)
    config.stash[OPTIONS] = options
    parts = [part for method in options.methods for part in _parts(method)]
    models = (*model_names(), *ARCHITECTURES)
    for name in dict.fromkeys((*models, *MATRIX_METHODS, *RULES, *options.methods, *parts)):
        kind = "model" if name in models else "method"
        config.addinivalue_line("markers", f"{name}: a case of this {kind}")


def pytest_energy_settings(config: pytest.Config) -> dict[str, str | int | float | bool]:
    if not role_of(config).meters_here():
        return {}  # the hosts that train say theirs; this machine may have no such device
    experiments, kinds = _experiments(config), config.stash.get(KINDS, {"paper"})
    try:
        images = experiments.settings() if "paper" in kinds or "language" not in kinds else {}
        text = experiments.language.settings() if "language" in kinds else {}
    except TrainingError as error:
        raise pytest.UsageError(str(error)) from None
    others = {name: value for name, value in text.items() if images.get(name) != value}
    return {**images, **{f"language_{name}" if images else name: others[name] for name in others}}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Language models run where they are named, by file, `-k` or `-m`: the paper has none."""
    if collection_path.name != "test_language.py":
        return None
    asked = f"{config.option.keyword} {config.option.markexpr}"
    return None if any(name in asked for name in ("language", *ARCHITECTURES)) else True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> Generator[None]:
    """Around the plugin's own, which asks for the settings to find what there is to resume, and
    then leaves out what was finished."""
    session.config.stash[KINDS] = {item.path.stem.removeprefix("test_") for item in session.items}
    yield


def pytest_energy_ranks(config: pytest.Config) -> Ranks:  # noqa: ARG001 - the hook's signature
    """Under torchrun every case is one training of all ranks."""
    from pytest_energybench.experiment.training.rank_coordinator import RankCoordinator

    return RankCoordinator.of_torchrun()


def pytest_energy_attachments(
    config: pytest.Config, run: Run, folder: Path
) -> Sequence[Attachment]:
    from bench_cases.attachments import paper_attachments

    return paper_attachments(config, run, folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if not {"model", "method"} <= set(metafunc.fixturenames):
        return
    options = metafunc.config.stash[OPTIONS]
    models = ARCHITECTURES if metafunc.module.__name__.endswith("test_language") else model_names()
    cases = [(model, method) for model in models for method in options.methods]
    if "phase" not in metafunc.fixturenames:
        made = [_case(model, method, options.device) for model, method in cases]
        metafunc.parametrize(("model", "method"), made)
        return
    made = [
        _case(model, method, options.device, phase, batch)
        for phase, batch in INFERENCES
        for model, method in cases
    ]
    metafunc.parametrize(("model", "phase", "batch", "method"), made)


def _case(model: str, method: str, device: str, *within: str | int) -> object:
    """The parameters of a case; `within` a model each combination is a group of its own."""
    asked = {"num_gpus": 1} if device == "cuda" else {}  # of Ray, with --energy-ray
    marks = [
        pytest.mark.energy_group(" ".join(map(str, (model, *within))), **asked),
        getattr(pytest.mark, model),
    ]
    marks += [getattr(pytest.mark, part) for part in (method, *_parts(method))]
    return case(method, model, *within, marks=marks)


def _parts(method: str) -> list[str]:
    return method.split("+") if "+" in method else []


def _experiments(config: pytest.Config) -> Experiments:
    """The experiments of this run; torch is imported here and not before."""
    if EXPERIMENTS not in config.stash:
        with progress_of(config).phase("imports"):
            from bench_cases.experiments import Experiments

        try:
            config.stash[EXPERIMENTS] = Experiments(config.stash[OPTIONS], ranks_of(config))
        except SettingError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[EXPERIMENTS]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say which names there are if `-k` matched none."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and config.option.keyword:
        methods = ", ".join(config.stash[OPTIONS].methods)
        models = ", ".join((*model_names(), *ARCHITECTURES))
        terminalreporter.write_line(
            f"no case matches -k {config.option.keyword!r}; models: {models}; methods: {methods}"
        )


@pytest.fixture
def experiment(pytestconfig: pytest.Config, model: str, energy: Energy) -> Experiment:
    experiments = _experiments(pytestconfig)
    from pytest_energybench.experiment.experiment import failing_in_a_line

    with failing_in_a_line(), energy.heavy_work("data"):
        return experiments.of(model, energy.progress)
