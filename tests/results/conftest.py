"""Generated examples have no deadline: a busy machine is slow, and that is no fault of the code."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
