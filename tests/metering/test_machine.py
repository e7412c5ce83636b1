"""What machine the joules were spent on."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import sys
from pathlib import Path

from pytest_energybench.metering.machine import machine_facts
from tests.metering.conftest import FakeNvml


def test_the_facts_of_this_machine() -> None:
    facts = machine_facts(gpus=["A", "B"])
    assert facts.cores == os.cpu_count()
    assert facts.memory_bytes > 10**8
    assert facts.gpus == ("A", "B")
    assert facts.python.endswith(platform.python_version())
    assert facts.cpu


def test_libraries_are_named_by_what_is_installed_and_none_is_imported(tmp_path: Path) -> None:
    for name, version in (("torch", "99.1+cpu"), ("numpy", "98.0")):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from pytest_energybench.metering.machine import machine_facts\n"
        "print(dict(machine_facts([]).libraries), {'torch', 'numpy'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "'torch': '99.1+cpu'" in told
    assert "'numpy': '98.0'" in told
    assert told.endswith("set()\n")


def test_gpus_are_asked_for(fake_nvml: FakeNvml) -> None:
    fake_nvml.add(name="NVIDIA H100")
    assert machine_facts().gpus == ("NVIDIA H100",)


def test_it_names_no_host() -> None:
    text = repr(machine_facts(gpus=[]))
    assert platform.node() not in text or len(platform.node()) < 3
    assert getpass.getuser() not in text or getpass.getuser() in platform.platform()
