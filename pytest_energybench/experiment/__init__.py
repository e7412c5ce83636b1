"""Compressed training of models as metered cases: your own model with the paper's methods.

What is here loads torch at its first use, so that collecting tests stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_energybench.experiment.cases import methods
from pytest_energybench.experiment.training.model_names import register_model

if TYPE_CHECKING:
    from pytest_energybench.experiment.experiment import Experiment

__all__ = ["Experiment", "methods", "register_model"]


def __getattr__(name: str) -> Any:
    if name == "Experiment":
        from pytest_energybench.experiment.experiment import Experiment

        return Experiment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
