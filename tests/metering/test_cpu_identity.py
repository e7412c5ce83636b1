"""Other machines' processors, from the files that they show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from pytest_energybench.metering import cpu_identity
from pytest_energybench.metering.cpu_identity import CpuIdentity, identify
from pytest_energybench.metering.cpu_power import cpu_power
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
    """Files of a machine; those of the firmware by their names, `model` and `compatible` in the
    device tree."""
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "sys/class/dmi/id").mkdir(parents=True)
    if cpuinfo is not None:
        (root / "proc/cpuinfo").write_text(cpuinfo)
    for name, text in files.items():
        is_board = name in ("model", "compatible")
        folder = "proc/device-tree" if is_board else "sys/class/dmi/id"
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


def test_of_two_kinds_of_cores_the_stronger_one_counts_whichever_comes_first(
    tmp_path: Path,
) -> None:
    strong = arm(0x41, 0xD08, 0xD08, 0xD03)
    found = identify(machine(tmp_path, strong), system="linux", machine="aarch64")
    assert (found.row, found.known) == ("cortex-a72", True)


def test_cores_beside_unlisted_ones_do_not_speak_for_them(tmp_path: Path) -> None:
    mixed = arm(0x41, 0xD05, 0xD41)  # Cortex-A55 and A78
    found = identify(machine(tmp_path, mixed), system="linux", machine="aarch64")
    assert (found.name, found.known) == ("Cortex-A55 + Arm 0x41 0xd41", False)


def test_a_mac_is_told_by_its_board(tmp_path: Path) -> None:
    board = {"model": "Apple MacBook Pro (14-inch, M1 Pro, 2021)\0"}
    root = machine(tmp_path, arm(0x61, 0x24, 0x25), **board)
    assert identify(root, system="linux", machine="aarch64").row == "apple-pro"


def test_a_linux_guest_on_a_mac_is_a_part_of_a_chip_that_is_not_named(tmp_path: Path) -> None:
    found = identify(machine(tmp_path, arm(0x61, 0x0)), system="linux", machine="aarch64")
    assert (found.row, found.known, found.virtual) == ("apple", False, True)


def test_a_guest_without_firmware_is_known_by_its_device_tree(tmp_path: Path) -> None:
    root = machine(tmp_path, arm(0x41, 0xD0C), compatible="linux,dummy-virt\0")
    found = identify(root, system="linux", machine="aarch64")
    assert (found.row, found.virtual) == ("neoverse-n1", True)


@pytest.mark.parametrize("implementer", [0x41, 0x6D])
def test_azures_cores_are_known_under_both_of_their_numbers(
    tmp_path: Path, implementer: int
) -> None:
    root = machine(tmp_path, arm(implementer, 0xD49), sys_vendor="Microsoft Corporation")
    assert identify(root, system="linux", machine="aarch64").row == "neoverse-n2"


@pytest.mark.parametrize(
    ("told", "row", "virtual"),
    [
        ({"machdep.cpu.brand_string": "Apple M3 Pro"}, "apple-pro", False),
        ({"machdep.cpu.brand_string": "Apple M1 (Virtual)"}, "apple", True),
        (
            {
                "machdep.cpu.brand_string": "Intel(R) Core(TM) i7-8700B CPU @ 3.20GHz",
                "kern.hv_vmm_present": "1",
            },
            "coffee-lake-client",
            True,
        ),
        ({"machdep.cpu.brand_string": "Intel(R) Core(TM) i7-1068NG7 CPU"}, "laptop-intel", False),
    ],
)
def test_macos(told: dict[str, str], row: str, virtual: bool) -> None:
    found = identify(system="darwin", machine="arm64", sysctl=lambda name: told.get(name, ""))
    assert found == CpuIdentity(told["machdep.cpu.brand_string"], row, True, virtual)


def registry(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """The hardware that Windows knows of."""
    winreg = ModuleType("winreg")

    @contextmanager
    def open_key(_root: int, place: str) -> Iterator[str]:
        assert place.startswith("HARDWARE\\DESCRIPTION\\System\\")
        yield place

    def query(_place: str, name: str) -> tuple[str, int]:
        if name not in values:
            raise FileNotFoundError(name)
        return values[name], 1

    vars(winreg).update(HKEY_LOCAL_MACHINE=0, OpenKey=open_key, QueryValueEx=query)
    monkeypatch.setitem(sys.modules, "winreg", winreg)


@pytest.mark.parametrize(
    ("name", "numbers", "maker", "product", "row", "virtual"),
    [
        (
            "AMD EPYC 7763 64-Core Processor",
            "AMD64 Family 25 Model 1 Stepping 1, AuthenticAMD",
            "Microsoft Corporation",
            "Virtual Machine",
            "milan",
            True,
        ),
        (
            "Intel(R) Xeon(R) CPU @ 2.20GHz",
            "Intel64 Family 6 Model 85 Stepping 7, GenuineIntel",
            "Google",
            "Google Compute Engine",
            "cascade-lake",
            True,
        ),
        (
            "Intel(R) Core(TM) i7-1185G7",
            "Intel64 Family 6 Model 140 Stepping 1, GenuineIntel",
            "Microsoft Corporation",
            "Surface Laptop 4",
            "laptop-intel",
            False,
        ),
    ],
)
def test_windows_tells_numbers_and_whether_it_is_a_guest(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    numbers: str,
    maker: str,
    product: str,
    row: str,
    virtual: bool,
) -> None:
    told = {"SystemManufacturer": maker, "SystemProductName": product}
    registry(monkeypatch, ProcessorNameString=name, **told)
    found = identify(system="win32", machine="AMD64", environ={"PROCESSOR_IDENTIFIER": numbers})
    assert found == CpuIdentity(name, row, True, virtual)


def test_windows_without_a_registry_has_the_name_of_its_environment() -> None:
    environ = {"PROCESSOR_IDENTIFIER": "ARMv8 (64-bit) Family 8 Model 1, Qualcomm"}
    told = identify(system="win32", machine="ARM64", environ=environ)
    assert (told.name, told.known) == (environ["PROCESSOR_IDENTIFIER"], False)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", "ryzen-7000"),
        ("AMD Ryzen AI 9 HX 370 w/ Radeon 890M", "laptop-amd"),
        ("AMD Ryzen Z1 Extreme", "laptop-amd"),
        ("AMD Ryzen 7 250 w/ Radeon 780M Graphics", "laptop-amd"),
        ("AMD Ryzen 9 7945HX with Radeon Graphics", "laptop-amd"),
        ("AMD Ryzen 7 PRO 4750G with Radeon Graphics", "ryzen"),
        ("AMD Ryzen 9 9950X3D 16-Core Processor", "ryzen-7000"),
        ("AMD Ryzen Threadripper PRO 7995WX 96-Cores", "threadripper"),
        ("AMD EPYC 7R13 Processor", "milan"),
        ("AMD EPYC 9V74 80-Core Processor", "genoa"),
        ("AMD EPYC 9965 192-Core Processor", "turin"),
        ("AMD EPYC 4564P 16-Core Processor", "ryzen-7000"),
        ("AMD EPYC-Rome Processor", "rome"),
        ("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz", "ice-lake"),
        ("Intel(R) Xeon(R) Gold 6548Y+", "emerald-rapids"),
        ("Intel(R) Xeon(R) 6980P", "granite-rapids"),
        ("Intel(R) Xeon(R) 6315P", "core-12"),
        ("Intel(R) Core(TM) i5-3350P CPU @ 3.10GHz", "ivy-bridge-client"),
        ("Intel(R) Xeon(R) E-2288G CPU @ 3.70GHz", "coffee-lake-client"),
        ("Intel(R) Core(TM) i7-3770 CPU @ 3.40GHz", "ivy-bridge-client"),
        ("Intel(R) Core(TM) i7-4790K CPU @ 4.00GHz", "haswell-client"),
        ("Intel(R) Core(TM) i9-14900KS", "core-12"),
        ("Intel(R) Core(TM) Ultra 7 265K", "core-12"),
        ("Intel(R) Core(TM) Ultra 7 155H", "laptop-intel-h"),
        ("Intel(R) Core(TM) Ultra 7 258V", "laptop-intel"),
        ("Intel(R) Core(TM) 7 150U", "laptop-intel"),
        ("Intel(R) Core(TM) M-5Y71 CPU @ 1.20GHz", "laptop-intel"),
        ("Intel(R) Core(TM) m3-7Y30 CPU @ 1.00GHz", "laptop-intel"),
        ("Intel(R) Core(TM) i5-1240P", "laptop-intel"),
        ("Intel(R) N100", "atom"),
        ("Intel(R) Pentium(R) Silver N5000 CPU @ 1.10GHz", "atom"),
    ],
)
def test_a_name_alone_leads_to_its_generation(name: str, row: str) -> None:
    environ = {"PROCESSOR_IDENTIFIER": name}
    found = identify(system="win32", machine="AMD64", environ=environ)
    assert (found.row, found.known) == (row, True)


@pytest.mark.parametrize(
    ("info", "cpus", "machine_is", "watts"),
    [
        (x86("AMD FX(tm)-8350 Eight-Core Processor", AMD, 21, 2), 8, "x86_64", 125),
        (x86("Intel(R) Core(TM)2 Quad CPU Q6600 @ 2.40GHz", INTEL, 6, 15), 4, "x86_64", 80),
        (x86("AMD Opteron(tm) Processor 6376", AMD, 21, 2, siblings=16), 16, "x86_64", 115),
        (x86("Intel(R) Xeon(R) CPU E5-1650 v3 @ 3.50GHz", INTEL, 6, 63), 12, "x86_64", 110),
        (x86("Intel(R) Core(TM) i7-3930K CPU @ 3.20GHz", INTEL, 6, 45), 12, "x86_64", 110),
        (x86("AMD EPYC 75F3 32-Core Processor", AMD, 25, 1), 64, "x86_64", 240),
        (x86("Intel(R) Atom(TM) CPU C3758 @ 2.20GHz", INTEL, 6, 95), 8, "x86_64", 20),
        (arm(0x51, 0x1), 8, "aarch64", 30),  # Snapdragon X Plus
        (arm(0x41, 0xD46, 0xD4D), 8, "aarch64", 12),  # a telephone
        (arm(0x48, 0xD01), 64, "aarch64", 130),  # Kunpeng 920
        ("cpu\t: POWER9, altivec supported\n", 8, "ppc64le", 24),
        (arm(0x61, 0x0), 8, "aarch64", 30),  # in a virtual machine on an M3 Max
    ],
)
def test_the_error_of_a_class_contains_what_its_members_draw(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    info: str,
    cpus: int,
    machine_is: str,
    watts: float,
) -> None:
    monkeypatch.setattr(cpu_identity, "logical_cpus", lambda: cpus)
    found = identify(machine(tmp_path, info), system="linux", machine=machine_is)
    model = cpu_power(found, environ={}, visible=cpus, ours=cpus)
    assert not found.known
    assert watts <= (1 + model.error) * (model.idle_w + model.work_w(cpus))


@pytest.mark.parametrize(
    "name", ["Intel(R) Xeon(R) CPU D-1541 @ 2.10GHz", "Intel(R) Xeon(R) CPU E5-2650L v4 @ 1.70GHz"]
)
def test_a_servers_chip_of_low_power_has_its_generations_watts_and_no_error_of_results(
    tmp_path: Path, name: str
) -> None:
    root = machine(tmp_path, x86(name, INTEL, 6, 86))
    found = identify(root, system="linux", machine="x86_64")
    assert (found.row, found.known) == ("broadwell", False)


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
