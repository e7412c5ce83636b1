"""What can go wrong before or while a model trains. Messages name the thing and the way out."""


class TrainingError(Exception):
    """Base of all errors of this package; the text is meant for the user as it stands."""


class SettingError(TrainingError):
    """A model, preset, data set or device name that does not exist; names the allowed ones."""


class DataError(TrainingError):
    """A data set that cannot be used: missing folder, empty class, unreadable image."""


class WeightsError(TrainingError):
    """Starting weights that cannot be had: no file, no network, a shape that does not fit."""


class DivergedError(TrainingError):
    """The loss is no longer a number: the training is void and must not count as a result."""
