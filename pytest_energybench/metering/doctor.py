"""`energybench doctor`: look at the machine, and say what was found."""

from __future__ import annotations

from pytest_energybench.metering.diagnosis import Diagnosis, diagnose
from pytest_energybench.metering.doctor_text import render, to_json

__all__ = ["Diagnosis", "diagnose", "render", "to_json"]
