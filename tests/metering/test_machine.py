"""What machine the joules were spent on."""

from __future__ import annotations

import getpass
import os
import platform

from pytest_energybench.metering.machine import machine_facts
from tests.metering.conftest import FakeNvml


def test_the_facts_of_this_machine() -> None:
    facts = machine_facts(gpus=["A", "B"])
    assert facts.cores == os.cpu_count()
    assert facts.memory_bytes > 10**8
    assert facts.gpus == ("A", "B")
    assert facts.python.endswith(platform.python_version())
    assert facts.cpu


def test_gpus_are_asked_for(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(name="NVIDIA H100")
    assert machine_facts().gpus == ("NVIDIA H100",)


def test_it_names_no_host() -> None:
    text = repr(machine_facts(gpus=[]))
    assert platform.node() not in text or len(platform.node()) < 3
    assert getpass.getuser() not in text or getpass.getuser() in platform.platform()
