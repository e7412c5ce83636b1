"""Energy as a thing that tests can assert."""

__version__ = "0.1.0"
