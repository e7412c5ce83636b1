"""Every error of the package has one base."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import pytest_energybench
from pytest_energybench.exceptions import EnergyBenchError


def test_every_exception_of_the_package_derives_from_one_base() -> None:
    name = pytest_energybench.__name__
    modules = [
        import_module(each.name)
        for each in pkgutil.walk_packages(pytest_energybench.__path__, f"{name}.")
    ]
    errors = {
        found
        for module in modules
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, BaseException)
        and found.__module__.partition(".")[0] == name
    }
    assert len(errors) > 1
    assert not {error for error in errors if not issubclass(error, EnergyBenchError)}
