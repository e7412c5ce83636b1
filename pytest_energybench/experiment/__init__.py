"""Compressed training of models as metered cases: your own model with the paper's methods.

What is here is imported at its first use: collecting tests loads no torch, and reading a run of the
paper loads no pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_energybench.experiment.experiment import Experiment
    from pytest_energybench.experiment.rules import methods
    from pytest_energybench.experiment.training.model_names import register_model

__all__ = ["Experiment", "methods", "register_model"]

_HOMES = {
    "Experiment": "experiment",
    "methods": "rules",
    "register_model": "training.model_names",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
