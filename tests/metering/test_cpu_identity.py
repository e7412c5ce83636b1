"""Other machines' processors, from the files that they show."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_energybench.metering.cpu_identity import CpuIdentity, identify
from pytest_energybench.metering.cpu_rows import ROWS


def x86(name: str, vendor: str, family: int, model: int, **more: object) -> str:
    fields = {
        "processor": 0,
        "vendor_id": vendor,
        "cpu family": family,
        "model": model,
        "model name": name,
        "stepping": 1,
        "flags": "fpu",
        **more,
    }
    return "".join(f"{key}\t: {value}\n" for key, value in fields.items()) + "\nprocessor\t: 1\n"


def arm(implementer: int, *parts: int) -> str:
    blocks = [f"CPU implementer\t: {implementer:#x}\nCPU part\t: {part:#x}\n" for part in parts]
    return "".join(f"processor\t: {i}\n{block}\n" for i, block in enumerate(blocks))


def machine(root: Path, cpuinfo: str | None = None, **files: str) -> Path:
    """Files of a machine; those of the firmware by their names, `model` in the device tree."""
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "sys/class/dmi/id").mkdir(parents=True)
    if cpuinfo is not None:
        (root / "proc/cpuinfo").write_text(cpuinfo)
    for name, text in files.items():
        folder = "proc/device-tree" if name == "model" else "sys/class/dmi/id"
        (root / folder / name).write_text(text)
    return root


AMD, INTEL = "AuthenticAMD", "GenuineIntel"


@pytest.mark.parametrize(
    ("cpuinfo", "row", "threads"),
    [
        (x86("AMD EPYC 8024P 8-Core Processor", AMD, 25, 160, siblings=16), "siena", 16),
        (x86("AMD EPYC 9754 128-Core Processor", AMD, 25, 160), "genoa", None),
        (x86("AMD EPYC 7R32", AMD, 23, 49), "rome", None),
        (x86("Intel(R) Xeon(R) CPU E5-2620 v3 @ 2.40GHz", INTEL, 6, 63), "haswell", None),
        (x86("Intel(R) Xeon(R) CPU @ 2.20GHz", INTEL, 6, 85), "skylake", None),
        (x86("Intel(R) Xeon(R) CPU @ 2.80GHz", INTEL, 6, 85, stepping=7), "cascade-lake", None),
        (x86("Intel(R) Xeon(R) Processor", INTEL, 6, 207), "emerald-rapids", None),
        (x86("Intel(R) Xeon(R) CPU E3-1240 V2 @ 3.40GHz", INTEL, 6, 58), "ivy-bridge-client", None),
        (x86("Intel(R) Core(TM) i7-8565U CPU @ 1.80GHz", INTEL, 6, 142), "laptop-intel", None),
        (x86("12th Gen Intel(R) Core(TM) i9-12900K", INTEL, 6, 151), "core-12", None),
        (x86("AMD Ryzen 9 5950X 16-Core Processor", AMD, 25, 33), "ryzen", None),
        (x86("AMD Ryzen 7 7840U w/ Radeon 780M Graphics", AMD, 25, 116), "laptop-amd", None),
        (x86("AMD Ryzen Threadripper 1950X 16-Core", AMD, 23, 1), "threadripper", None),
        (arm(0x41, *[0xD0C] * 4), "neoverse-n1", None),
        (arm(0x41, 0xD40), "neoverse-v1", None),
        (arm(0xC0, 0xAC3), "ampere-one", None),
    ],
)
def test_linux(tmp_path: Path, cpuinfo: str, row: str, threads: int | None) -> None:
    found = identify(machine(tmp_path, cpuinfo), system="linux", machine="x86_64")
    assert (found.row, found.known, found.package_threads) == (row, True, threads)
    assert found.name
    assert not found.virtual


def test_arm_is_told_by_its_cores_and_its_board(tmp_path: Path) -> None:
    both = arm(0x41, 0xD05, 0xD05, 0xD0B)
    for number, (info, files, name, row) in enumerate(
        [
            (arm(0x41, 0xD0C), {}, "Neoverse-N1", "neoverse-n1"),
            (arm(0x41, 0xD08), {"model": "Raspberry Pi 4 Model B Rev 1.4\0"}, None, "cortex-a72"),
            (both, {}, "Cortex-A55 + Cortex-A76", "cortex-a76"),
            (arm(0x61, 0x24, 0x25), {"model": "Apple MacBook Air (M1)"}, None, "apple"),
        ]
    ):
        found = identify(
            machine(tmp_path / str(number), info, **files), system="linux", machine="aarch64"
        )
        assert found.row == row
        assert found.name == name if name else found.name.startswith(files["model"].strip("\0"))
    new = identify(machine(tmp_path / "new", arm(0x41, 0xFFF)), system="linux", machine="aarch64")
    assert (new.name, new.known) == ("Arm 0x41 0xfff", False)


def test_macos_and_windows() -> None:
    def m3(name: str) -> str:
        assert name == "machdep.cpu.brand_string"
        return "Apple M3 Pro"

    assert identify(system="darwin", machine="arm64", sysctl=m3) == CpuIdentity(
        "Apple M3 Pro", "apple-pro"
    )
    virtual = identify(system="darwin", machine="arm64", sysctl=lambda _: "Apple M1 (Virtual)")
    assert (virtual.row, virtual.virtual) == ("apple", True)
    environ = {"PROCESSOR_IDENTIFIER": "ARMv8 (64-bit) Family 8 Model 1, Qualcomm"}
    told = identify(system="win32", machine="ARM64", environ=environ)
    assert (told.name, told.known) == (environ["PROCESSOR_IDENTIFIER"], False)


@pytest.mark.parametrize(
    ("files", "flags", "virtual"),
    [
        ({}, "fpu hypervisor", True),
        ({"sys_vendor": "Amazon EC2", "product_name": "c7g.large"}, "fpu", True),
        ({"sys_vendor": "Amazon EC2", "product_name": "c7g.metal"}, "fpu", False),
        ({"sys_vendor": "Microsoft Corporation", "product_name": "Surface Book"}, "fpu", False),
        ({"sys_vendor": "QEMU", "product_name": "Standard PC"}, "fpu", True),
    ],
)
def test_a_virtual_machine_is_known_by_flag_or_firmware(
    tmp_path: Path, files: dict[str, str], flags: str, virtual: bool
) -> None:
    info = x86("AMD EPYC 7763 64-Core Processor", AMD, 25, 1, flags=flags)
    found = identify(machine(tmp_path, info, **files), system="linux", machine="x86_64")
    assert (found.row, found.virtual) == ("milan", virtual)


def test_what_is_not_listed_stands_for_its_class(tmp_path: Path) -> None:
    for number, (info, files, row) in enumerate(
        [
            (x86("Some CPU", "Other", 7, 1), {}, "coffee-lake-client"),
            (x86("Some CPU", "Other", 7, 1), {"chassis_type": "10\n"}, "laptop-intel"),
            (x86("AMD EPYC 1234", AMD, 99, 1, flags="hypervisor"), {}, "milan"),
            (x86("Intel Xeon New", INTEL, 19, 1), {}, "ice-lake"),
        ]
    ):
        found = identify(machine(tmp_path / str(number), info, **files), machine="x86_64")
        assert (found.row, found.known) == (row, False)


@pytest.mark.parametrize("cpuinfo", [None, "", "processor\t: 0\n\n", "\x00\xff: :\n"])
def test_a_machine_that_tells_nothing_has_no_name(tmp_path: Path, cpuinfo: str | None) -> None:
    found = identify(machine(tmp_path, cpuinfo), system="linux", machine="riscv64")
    assert (found.name, found.known) == ("", False)


def test_this_machine_has_a_row() -> None:
    assert identify().row in ROWS
