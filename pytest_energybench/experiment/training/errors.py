"""Errors before and during training. Messages name the cause and the remedy."""

from pytest_energybench.exceptions import EnergyBenchError


class TrainingError(EnergyBenchError):
    """Base of the errors of training and compression."""


class SettingError(TrainingError):
    """A model, preset, data set or device name that does not exist; names the allowed ones."""


class DataError(TrainingError):
    """A data set that cannot be used: missing folder, empty class, unreadable image."""


class WeightsError(TrainingError):
    """Starting weights that cannot be loaded: no file, no network, a shape that does not fit."""


class DivergedError(TrainingError):
    """The loss is no longer a number: the training is void and must not count as a result."""


def first_line(error: BaseException) -> str:
    """What an error of somebody else's says, in a line; its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
