"""Cases of the paper: one per model and method, parametrized from the `--bench-*` options."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench_cases.methods import BASELINE, PAPER_METHODS, RULES
from bench_cases.options import BenchOptions
from pytest_energybench.peers import ranks_of
from pytest_energybench.settings import EnergyOptions
from pytest_energybench.training.errors import SettingError, TrainingError
from pytest_energybench.training.settings import MODELS

if TYPE_CHECKING:
    from bench_cases.laboratory import Laboratory
    from pytest_energybench.peers import Ranks
    from pytest_energybench.report.attachments import Table
    from pytest_energybench.results.model import Run

PAPER_PUE = 1.58
"""The data-centre factor of the paper (Section 2.3): facility energy = 1.58 x IT energy."""

SPINS = "20000"
"""How often a waiting OpenMP thread looks before it sleeps; GNU's runtime looks 300,000 times.

That spinning is CPU time which an estimate takes for work, and where other processes run it is most
of it: three epochs of ResNet18 took 18 to 48 CPU-seconds beside them, and 19 to 22 with this
value, which costs nothing on a quiet machine. It has to be set before torch is loaded; what the
user has set stays.
"""

OPTIONS = pytest.StashKey[BenchOptions]()
LABORATORY = pytest.StashKey["Laboratory"]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if config.getoption("energy_pue") is None and not config.getini("energy_pue"):
        config.option.energy_pue = PAPER_PUE
    options = BenchOptions.from_config(config)
    config.stash[OPTIONS] = options
    parts = [part for method in options.methods for part in _parts(method)]
    for name in dict.fromkeys((*MODELS, *PAPER_METHODS, *RULES, *options.methods, *parts)):
        kind = "model" if name in MODELS else "method"
        config.addinivalue_line("markers", f"{name}: a case of this {kind}")


def pytest_energy_settings(config: pytest.Config) -> dict[str, str | int | float | bool]:
    if EnergyOptions.from_config(config).ray is not None:
        return {}  # the hosts that train say theirs; this machine may have no such device
    return _laboratory(config).settings()


def pytest_energy_ranks(config: pytest.Config) -> Ranks:  # noqa: ARG001 - the hook's signature
    """Under torchrun every case is one training of all ranks."""
    from pytest_energybench.training.rollcall import RollCall

    return RollCall.of_torchrun()


def pytest_energy_attachments(
    config: pytest.Config, run: Run, folder: Path
) -> Sequence[Path | Table]:
    from bench_cases.attachments import paper_attachments

    return paper_attachments(config, run, folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if not {"model", "method"} <= set(metafunc.fixturenames):
        return
    options = metafunc.config.stash[OPTIONS]
    metafunc.parametrize(
        ("model", "method"),
        [_case(model, method, options.device) for model in MODELS for method in options.methods],
    )


def _case(model: str, method: str, device: str) -> object:
    asked = {"num_gpus": 1} if device == "cuda" else {}  # of Ray, with --energy-ray
    marks = [pytest.mark.energy_group(model, **asked), getattr(pytest.mark, model)]
    marks += [getattr(pytest.mark, part) for part in (method, *_parts(method))]
    if method == BASELINE:
        marks.append(pytest.mark.energy_baseline)
    return pytest.param(model, method, id=f"{model}-{method}", marks=marks)


def _parts(method: str) -> list[str]:
    return method.split("+") if "+" in method else []


def _laboratory(config: pytest.Config) -> Laboratory:
    """The laboratory of this run; torch is imported here and not before."""
    if LABORATORY not in config.stash:
        from bench_cases.laboratory import Laboratory

        try:
            config.stash[LABORATORY] = Laboratory(config.stash[OPTIONS], ranks_of(config))
        except SettingError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[LABORATORY]


@pytest.fixture(scope="session")
def laboratory(pytestconfig: pytest.Config) -> Laboratory:
    return _laboratory(pytestconfig)


@pytest.fixture
def terminal(pytestconfig: pytest.Config) -> Callable[[], AbstractContextManager[None]]:
    """A context in which the progress bar reaches the terminal, if there is one."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    if capture is None or not sys.__stderr__ or not sys.__stderr__.isatty():
        return nullcontext
    return capture.global_and_fixture_disabled  # type: ignore[no-any-return]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:  # noqa: ARG001
    """End a case whose data, weights or training went wrong with the message, no traceback."""
    try:
        return (yield)
    except TrainingError as error:
        pytest.fail(f"{type(error).__name__}: {error}", pytrace=False)
