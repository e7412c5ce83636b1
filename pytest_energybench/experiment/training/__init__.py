"""Data, models and the trainer behind the bench: what is trained, from what, by which rules.

Knows nothing of pytest or of metering: joules come in as a callable, results leave as frozen
dataclasses. Needs the extra ``torch``; torchvision and scikit-learn where a function says so.
"""
