"""Checks of the options before anything is collected."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

from pytest_energybench.results.storage import Storage
from pytest_energybench.session.config import EnergyConfig
from pytest_energybench.session.session_gates import SessionGates


def check_options(config: pytest.Config) -> None:
    """Read what the options name, so that a mistake ends the run before the work begins.

    Raises:
        pytest.UsageError: a value, budgets file or stored run that can't be read, a name that is
            taken.
    """
    options = EnergyConfig.of(config)
    if config.getoption("energy_fail_on") is not None and options.compare is None:
        raise pytest.UsageError(
            "--energy-fail-on judges a comparison: give --energy-compare=NAME|PATH as well"
        )
    if options.save is not None and not options.overwrite:
        path = Storage(options.storage).path(options.save)
        if os.path.exists(path):
            raise pytest.UsageError(
                f"--energy-save={options.save}: {path} is there already; give"
                " --energy-overwrite to replace it with this run"
            )
    if options.ray is not None:
        _check_ray(config)
    if options.budgets is not None or options.compare is not None or options.history:
        SessionGates.of(config)


def _check_ray(config: pytest.Config) -> None:
    if find_spec("ray") is None:
        raise pytest.UsageError(
            "--energy-ray: Ray is not installed here: pip install 'pytest-energybench[ray]'"
        )
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError("--energy-ray and pytest-xdist both spread the tests: add -n 0")
    if config.getoption("usepdb", False) or config.getoption("trace", False):
        raise pytest.UsageError("--energy-ray runs tests where no debugger can be reached")
