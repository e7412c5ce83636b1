"""A diagnosis for people and for scripts."""

from __future__ import annotations

import dataclasses
import json

from pytest_energybench.metering.diagnosis import Diagnosis, DomainReport, Missing
from pytest_energybench.metering.doctor import render, to_json
from pytest_energybench.metering.machine import MachineFacts

MACHINE = MachineFacts("AMD EPYC 7763", 128, 256 * 10**9, ("NVIDIA A100",), "Linux 6.1", "CPython")
CPU = DomainReport("cpu:0", "rapl", "measured", 61e-6, None, 0.001, "package-0: /file", 0.00105)
RAM = DomainReport("ram", "ram-size", "estimated", None, 0.5, None, "256 GB x 0.07 W/GB")
DENIED = Missing("RAPL", "permission denied: /file", "run `sudo chmod`")


def diagnosis(**changes: object) -> Diagnosis:
    fields = {
        "machine": MACHINE,
        "domains": (CPU, RAM),
        "missing": (),
        "left_out": (),
        "uncovered": (),
    }
    return Diagnosis(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_row_per_domain_with_what_was_seen() -> None:
    lines = render(diagnosis()).splitlines()
    assert lines[0] == "AMD EPYC 7763, 128 CPUs, 256.0 GB, Linux 6.1"
    rows = {line.split()[0]: " ".join(line.split()) for line in lines if line}
    assert rows["cpu:0"] == "cpu:0 rapl measured - 0.061 mJ 1.05 ms (seen)"
    assert rows["ram"] == "ram ram-size estimated ±50% - -"
    assert "cpu:0: package-0: /file" in lines
    assert "Nine of ten true figures lie within an estimate's error" in "\n".join(lines)
    assert lines[-1] == "Every part of this machine is measured or estimated."
    assert "under load" not in render(diagnosis())


def test_the_self_test_adds_watts() -> None:
    tested = DomainReport(
        "cpu:0", "rapl", "measured", None, None, 0.001, "", None, idle_w=11.25, load_w=None
    )
    text = render(diagnosis(domains=(tested,), self_test_s=5.0, findings=("cpu:0: odd",)))
    row = next(line for line in text.splitlines() if line.startswith("cpu:0  "))
    assert " ".join(row.split()) == "cpu:0 rapl measured - - didn't change 11.25 W lost"
    assert "cpu:0: odd" in text


def test_what_is_missing_left_out_and_uncovered() -> None:
    text = render(
        diagnosis(missing=(DENIED,), left_out=("psys: contains",), uncovered=("GPU 0 (A100)",))
    )
    assert "  RAPL: permission denied: /file\n    remedy: run `sudo chmod`" in text
    assert "  psys: contains" in text
    assert text.endswith("Not even estimated: GPU 0 (A100).")


def test_a_lost_domain_is_the_last_word() -> None:
    text = render(diagnosis(lost=("cpu:0: permission denied: /file",)))
    assert "Every part" not in text
    assert text.endswith("Lost:\n  cpu:0: permission denied: /file")
    assert diagnosis(lost=("cpu:0: gone",)).exit_status == 1


def test_no_escape_of_a_drivers_reaches_the_terminal() -> None:
    name = "\x1b[2Jpackage-0: /file"
    text = render(diagnosis(domains=(dataclasses.replace(CPU, note=name),), left_out=(name,)))
    assert "\x1b" not in text
    assert text.count("\\x1b[2Jpackage-0") == 2


def test_json_has_every_field_and_the_exit_status() -> None:
    data = json.loads(to_json(diagnosis(missing=(DENIED,), uncovered=("cpu",))))
    assert data["exit_status"] == 1
    assert data["machine"]["gpus"] == ["NVIDIA A100"]
    assert data["domains"][0]["seen_period_s"] == 0.00105
    assert data["missing"] == [
        {"what": "RAPL", "why": "permission denied: /file", "remedy": "run `sudo chmod`"}
    ]
