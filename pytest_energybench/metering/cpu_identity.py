"""Which processor this is: its name, its row in the table of watts, whether it is a part of one.

The name comes from `/proc/cpuinfo`, on Arm from implementer and part numbers with the board's name
from the device tree, on macOS from sysctl, on Windows from `PROCESSOR_IDENTIFIER`. It is empty
where none of them has one; machines without a name are not comparable.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from pytest_energybench.base.plain_file import plain_text
from pytest_energybench.base.system import logical_cpus
from pytest_energybench.metering.cpu_rows import ROWS

ROOT = Path("/")

NAMES = (
    ("EPYC", r"EPYC[- ](Rome|Milan|Genoa|Turin)", r"\1"),
    ("EPYC", r"4\w\w[45]", "ryzen-7000"),
    ("EPYC", r"[37]\w\w1", "naples"),
    ("EPYC", r"7\w\w2", "rome"),
    ("EPYC", r"7\w\w3", "milan"),
    ("EPYC", r"8\w\w4", "siena"),
    ("EPYC", r"9\w\w4", "genoa"),
    ("EPYC", r"9\w\w5", "turin"),
    ("Threadripper", "", "threadripper"),
    ("Ryzen", r"(?i)AI MAX", "ryzen-7000"),
    ("Ryzen", r"Ryzen (AI\b|Z\d|\d (PRO )?\d{3}\b)| \d{3,4}(U|C|H|HS|HX|HX3D)\b", "laptop-amd"),
    ("Ryzen", r" [1-5]\d{3}(?!\d)", "ryzen"),
    ("Ryzen", r" [6-9]\d{3}(?!\d)", "ryzen-7000"),
    ("E3-1", r"[vV]2", "ivy-bridge-client"),
    ("E3-1", r"[vV][34]", "haswell-client"),
    ("E3-1", r"[vV][56]", "skylake-client"),
    ("E3-1", "", "sandy-bridge-client"),
    *((f"E{n}-", r"[vV]2", "ivy-bridge") for n in (5, 7)),
    *((f"E{n}-", r"[vV]3", "haswell") for n in (5, 7)),
    *((f"E{n}-", r"[vV]4", "broadwell") for n in (5, 7)),
    *((f"E{n}-", r"\d{4}", "sandy-bridge") for n in (5, 7)),
    ("Xeon", r"Xeon [XELW]?[57][56]\d\d\b|Xeon [XELW]34\d\d", "nehalem"),
    ("Xeon", r"(Platinum|Gold|Silver|Bronze) \d1\d\d|W-[23]1|D-21|Skylake", "skylake"),
    ("Xeon", r"(Platinum|Gold|Silver|Bronze) \d2\d\d|W-[23]2|Cascadelake", "cascade-lake"),
    ("Xeon", r"(Platinum|Gold|Silver|Bronze) \d3\d\d|W-33|D-[12]7|Icelake", "ice-lake"),
    ("Xeon", r"(Platinum|Gold|Silver|Bronze) \d4\d\d|w\d-[23]|Max|Sapphire", "sapphire-rapids"),
    ("Xeon", r"(Platinum|Gold|Silver|Bronze) \d5\d\d", "emerald-rapids"),
    ("Xeon", r" 6\d{3}E|SierraForest", "sierra-forest"),
    ("Xeon", r" 63\d\dP", "core-12"),
    ("Xeon", r" 6\d{3}P|GraniteRapids", "granite-rapids"),
    ("Xeon", r"E-2[123]\d\d|W-1[0-3]", "coffee-lake-client"),
    ("Xeon", r"E-24\d\d", "core-12"),
    ("Xeon", r"Haswell", "haswell"),
    ("Xeon", r"Broadwell|D-1[56]", "broadwell"),
    *((f"i{n}-", r"-(78|79|98|99)\d\d(X|XE)\b", "skylake") for n in (7, 9)),
    ("i9-", r"-109\d\d(X|XE)\b", "cascade-lake"),
    ("Core", r"\d{3,5}(H|HQ|HK|HX|HF|MQ|QM|XM|MX|M)\b", "laptop-intel-h"),
    ("Core", r"\d{3,4}(U|Y|V|UL|UE)\b|-1\d{3}(N?G\d|P)|\d{5}[UY]|Core [mM]\d?-", "laptop-intel"),
    ("Core", r"i\d-1[234]\d{3}|Ultra", "core-12"),
    ("Core", r"i\d-(8|9|10|11)\d{3}", "coffee-lake-client"),
    ("Core", r"i\d-[67]\d{3}", "skylake-client"),
    ("Core", r"i\d-[45]\d{3}", "haswell-client"),
    ("Core", r"i\d-3\d{3}", "ivy-bridge-client"),
    ("Core", r"i\d-2\d{3}", "sandy-bridge-client"),
    ("Intel", r"Atom (?![CP]\d{4})|(Celeron|Pentium).* [NJ]\d{4}|Intel N\d{2,3}\b", "atom"),
    ("Apple", r"M\d+ (Pro|Max|Ultra)", "apple-pro"),
    ("Apple", "", "apple"),
    ("Altra", "", "neoverse-n1"),
    ("AmpereOne", "", "ampere-one"),
)
"""A word of the name, a pattern in the name without (R), (TM), CPU, Processor and clock, the row;
the first that fits counts. A maker's numbers follow a scheme: the last digit of an EPYC and the
second one of a scalable Xeon are the generation."""

FEW_FAST_CORES = r"E5-16\d\d\b|i7-3[89]\d\d[KX]?\b|i7-(48|49|58|59|68|69)\d\d[KX]\b"
"""Workstations: servers' chips with few cores that draw what many do; they stand for a class."""
UNLIKE_THE_REST = (
    r"Xeon.*\b(D-\d{4}|L[357]\d{3}|E5-\d{4}L|E5-(2623|2637|2643|4655)|E7-889[13])"
    r"|EPYC (\w{3,4}[FX]|\dF\d\d|\d\dF\d)\b"
)
"""Servers' chips at lower or higher clocks than most that results are of. They draw half or double
and stand for a class."""
INTEL_SERVERS = {
    **dict.fromkeys((26, 44, 46, 47), "nehalem"),
    45: "sandy-bridge",
    62: "ivy-bridge",
    63: "haswell",
    **dict.fromkeys((79, 86), "broadwell"),
    85: "skylake",
    **dict.fromkeys((106, 108), "ice-lake"),
    143: "sapphire-rapids",
    207: "emerald-rapids",
    **dict.fromkeys((173, 174), "granite-rapids"),
    175: "sierra-forest",
}
"""Model numbers of Intel's family 6 (Linux, `intel-family.h`). They come before the names: many a
virtual machine says no more than `Intel(R) Xeon(R) CPU @ 2.20GHz`."""
INTEL_CLIENTS = {
    **dict.fromkeys((30, 31, 37), "nehalem"),
    42: "sandy-bridge-client",
    58: "ivy-bridge-client",
    **dict.fromkeys((60, 61, 69, 70, 71), "haswell-client"),
    **dict.fromkeys((78, 94), "skylake-client"),
    **dict.fromkeys((158, 165, 167), "coffee-lake-client"),
    **dict.fromkeys((125, 126, 140, 141, 142, 154, 166, 170, 186, 189), "laptop-intel"),
    **dict.fromkeys((151, 183, 191, 198), "core-12"),
}
"""The same of desktops and laptops, which names tell apart better."""
AMD_SERVERS = {
    (23, 1): "naples",
    (23, 49): "rome",
    (25, 1): "milan",
    (25, 17): "genoa",
    (26, 2): "turin",
    (26, 17): "turin",
}
"""Family and model of AMD's servers."""
CASCADE_LAKE_STEPPING = 5
"""Cascade Lake has Skylake's model number, and steppings from here on."""
NUMBERS = ("cpu family", "model", "stepping")

ARM = {
    (0x41, 0xD03): ("Cortex-A53", "cortex-a53"),
    (0x41, 0xD05): ("Cortex-A55", "cortex-a53"),
    (0x41, 0xD07): ("Cortex-A57", "cortex-a72"),
    (0x41, 0xD08): ("Cortex-A72", "cortex-a72"),
    (0x41, 0xD09): ("Cortex-A73", "cortex-a72"),
    (0x41, 0xD0B): ("Cortex-A76", "cortex-a76"),
    (0x41, 0xD0C): ("Neoverse-N1", "neoverse-n1"),
    (0x41, 0xD40): ("Neoverse-V1", "neoverse-v1"),
    (0x41, 0xD49): ("Neoverse-N2", "neoverse-n2"),
    (0x41, 0xD4F): ("Neoverse-V2", "neoverse-v2"),
    (0x41, 0xD83): ("Neoverse-V3", "neoverse-v2"),
    (0x41, 0xD8E): ("Neoverse-N3", "neoverse-n2"),
    (0x48, 0xD01): ("TaiShan-v110", ""),
    (0x6D, 0xD49): ("Azure-Cobalt-100", "neoverse-n2"),
    (0xC0, 0xAC3): ("AmpereOne", "ampere-one"),
    (0xC0, 0xAC4): ("AmpereOne", "ampere-one"),
    (0xC0, 0xAC5): ("AmpereOne", "ampere-one"),
    **{(0x61, part): ("Apple", "apple") for part in range(0x020, 0x060)},
}
"""Implementer and part numbers (Linux, `cputype.h`) -> name, row; without one, its class's."""
APPLE = 0x61

CLOUDS = (
    "amazon ec2",
    "google google compute",
    "microsoft corporation virtual",
    "qemu",
    "kvm",
    "vmware",
    "xen",
    "openstack",
    "alibaba",
    "hetzner vserver",
    "digitalocean",
    "innotek gmbh virtualbox",
    "parallels",
    "apple inc. apple virtualization",
    "nutanix ahv",
    "red hat kvm",
    "scaleway scw-",
)
"""Beginnings of maker and product as hypervisors give them to their machines."""
LAPTOPS = {"8", "9", "10", "14", "30", "31", "32"}
"""Chassis types of SMBIOS: portable, laptop, notebook, sub-notebook, tablet, convertible,
detachable."""


class CpuIdentity(NamedTuple):
    """The processor of this machine.

    Attributes:
        name: as the system gives it; empty if it gives none.
        row: key of the row in `cpu_rows.ROWS`.
        known: the name or its numbers led to the row; otherwise it stands for its class.
        virtual: a virtual machine, which may be a part of a host.
        package_threads: hardware threads of one package, if the system says so.
    """

    name: str
    row: str
    known: bool = True
    virtual: bool = False
    package_threads: int | None = None


def identify(
    root: Path = ROOT,
    *,
    system: str = sys.platform,
    machine: str | None = None,
    environ: Mapping[str, str] = os.environ,
    sysctl: Callable[[str], str] | None = None,
) -> CpuIdentity:
    """The processor, from what the system shows of it.

    Args:
        root: where `proc` and `sys` are.
        system: as `sys.platform` has it.
        machine: the instruction set, as `platform.machine` has it.
        environ: holds `PROCESSOR_IDENTIFIER` on Windows.
        sysctl: a value by its name, on macOS.
    """
    if machine is None:
        windows = environ.get("PROCESSOR_ARCHITECTURE", "")
        machine = os.uname().machine if hasattr(os, "uname") else windows
    if system == "darwin":
        ask = sysctl or _sysctl
        name = ask("machdep.cpu.brand_string")
        return _named({}, name, machine, ask("kern.hv_vmm_present") == "1")
    if system == "win32":
        numbers = environ.get("PROCESSOR_IDENTIFIER", "").strip()
        name = _registry(r"CentralProcessor\0", "ProcessorNameString") or numbers
        maker, product = (
            _registry("BIOS", f"System{key}") for key in ("Manufacturer", "ProductName")
        )
        return _named(_windows_numbers(numbers), name, machine, _is_guest(maker, product))
    first, parts = _cpuinfo(root)
    if parts:
        return _arm(root, first, parts, machine)
    name = next((first[key] for key in ("model name", "cpu model", "cpu") if first.get(key)), "")
    name = name if name.strip("0 ").lower() not in ("", "unknown") else ""
    virtual = "hypervisor" in first.get("flags", "").split() or _in_cloud(root)
    threads = int(first["siblings"]) if first.get("siblings", "").isdigit() else None
    laptop = _text(root, "chassis_type") in LAPTOPS
    return _named(first, name, machine, virtual, laptop)._replace(package_threads=threads)


def _named(
    first: Mapping[str, str], name: str, machine: str, virtual: bool, laptop: bool = False
) -> CpuIdentity:
    """By the numbers of a server, then by the name, then by the numbers of a client, else of its
    class."""
    virtual = virtual or "virtual" in name.lower()
    if re.search(FEW_FAST_CORES, name):
        return CpuIdentity(name, "sandy-bridge-client", False, virtual)
    is_listed = not re.search(UNLIKE_THE_REST, name)
    if row := _server(first, name):
        return CpuIdentity(name, row, is_listed, virtual)
    if found := _by_name(name, virtual):
        return found._replace(known=is_listed)
    if row := _client(first):
        return CpuIdentity(name, row, True, virtual)
    return _unknown(name, machine, virtual, laptop, _is_old(first))


def _by_name(name: str, virtual: bool = False) -> CpuIdentity | None:
    plain = re.sub(r"\((R|TM|C)\)|\bCPU\b|\bProcessor\b|@.*", " ", name, flags=re.I)
    plain = " ".join(plain.split())
    for word, pattern, row in NAMES:
        if word.lower() in plain.lower() and (found := re.search(pattern, plain)):
            return CpuIdentity(name, found.expand(row).lower(), True, virtual)
    return None


def _server(first: Mapping[str, str], name: str) -> str | None:
    """The row of a server by its numbers."""
    family, model, stepping = (_number(first.get(key, "")) for key in NUMBERS)
    if first.get("vendor_id") == "GenuineIntel" and family == 6:
        row = INTEL_SERVERS.get(model)
        is_later = row == "skylake" and stepping >= CASCADE_LAKE_STEPPING
        return "cascade-lake" if is_later else row
    is_server = first.get("vendor_id") == "AuthenticAMD" and "EPYC" in name
    return AMD_SERVERS.get((family, model)) if is_server else None


def _client(first: Mapping[str, str]) -> str | None:
    """The row of a desktop or laptop by its numbers."""
    is_intel = first.get("vendor_id") == "GenuineIntel" and first.get("cpu family") == "6"
    return INTEL_CLIENTS.get(_number(first.get("model", ""))) if is_intel else None


def _arm(
    root: Path, first: Mapping[str, str], parts: list[tuple[int, int]], machine: str
) -> CpuIdentity:
    """The board and its cores, or the cores alone; of two kinds of cores the stronger one
    counts."""
    virtual = _in_cloud(root) or "dummy-virt" in plain_text(root / "proc/device-tree/compatible")
    board = plain_text(root / "proc/device-tree/model").strip("\0 ") or first.get("Model", "")
    names, rows = [], []
    for implementer, part in parts:
        title, row = ARM.get((implementer, part), (f"Arm {implementer:#x} {part:#x}", ""))
        names.append(title)
        rows.append(row)
    cores = first.get("model name") or " + ".join(names)
    name = f"{board} ({cores})" if board else cores
    if all(rows):
        row = max(rows, key=lambda each: ROWS[each].watts[-1])
        by_board = _by_name(name, virtual) if row == "apple" else None
        return by_board or CpuIdentity(name, row, True, virtual)
    if all(implementer == APPLE for implementer, _ in parts):  # a guest isn't told which
        return CpuIdentity(name, "apple", False, True)
    return _by_name(name, virtual) or _unknown(name, machine, virtual)


def _is_old(first: Mapping[str, str]) -> bool:
    """From before Intel's Nehalem or AMD's Zen."""
    family, model, _ = (_number(first.get(key, "")) for key in NUMBERS)
    if first.get("vendor_id") == "GenuineIntel":
        return family == 15 or (family == 6 and model < 26)
    return first.get("vendor_id") == "AuthenticAMD" and family < 23


def _unknown(
    name: str, machine: str, virtual: bool = False, laptop: bool = False, old: bool = False
) -> CpuIdentity:
    """A row that stands for the class: of servers, laptops, boards or desktops.

    The error of a class ends at twice its figure, so it is one of those that draw much.
    """
    cpus = logical_cpus()
    if machine.lower() in ("x86_64", "amd64", "i386", "i686"):
        is_server = virtual or any(word in name for word in ("Xeon", "EPYC", "Opteron"))
        if old and not virtual:
            row = "sandy-bridge" if is_server else "sandy-bridge-client"
        elif is_server:
            row = "milan" if "AMD" in name else "ice-lake"
        else:
            row = "laptop-intel" if laptop else "coffee-lake-client"
    elif machine.lower().startswith(("ppc", "s390")):
        row = "ice-lake"
    elif virtual or cpus > 8:
        row = "neoverse-n1"
    else:
        row = "laptop-amd" if cpus > 4 else "cortex-a76"
    return CpuIdentity(name, row, False, virtual)


def _cpuinfo(root: Path) -> tuple[dict[str, str], list[tuple[int, int]]]:
    """The first processor's fields, with what follows the last one; and all pairs of Arm's
    implementer and part, each once, in the order of their processors."""
    first: dict[str, str] = {}
    parts: dict[tuple[int, int], None] = {}
    implementer = 0
    try:
        with (root / "proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                key, value = key.strip(), value.strip()
                if not key and "flags" in first:
                    break  # x86 says the same of each
                first.setdefault(key, value)
                if key == "CPU implementer":
                    implementer = _number(value)
                elif key == "CPU part":
                    parts[implementer, _number(value)] = None
    except OSError:  # no Linux, or a sandbox
        return {}, []
    return first, list(parts)


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0


def _text(root: Path, name: str) -> str:
    """A field of the firmware's tables."""
    return plain_text(root / "sys/class/dmi/id" / name)


def _in_cloud(root: Path) -> bool:
    """Whether the firmware names a hypervisor or a cloud, and no bare metal of it."""
    return _is_guest(_text(root, "sys_vendor"), _text(root, "product_name"))


def _is_guest(maker: str, product: str) -> bool:
    return f"{maker} {product}".lower().startswith(CLOUDS) and ".metal" not in product.lower()


def _sysctl(name: str) -> str:
    import subprocess  # needed on macOS alone

    try:
        run = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip()


def _registry(folder: str, key: str) -> str:
    """What Windows knows of its hardware; empty where it doesn't say."""
    try:
        winreg: Any = import_module("winreg")  # only there
        place = rf"HARDWARE\DESCRIPTION\System\{folder}"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as opened:
            return str(winreg.QueryValueEx(opened, key)[0]).strip()
    except (ImportError, OSError):
        return ""


def _windows_numbers(identifier: str) -> dict[str, str]:
    """As `/proc/cpuinfo` has them, from `Intel64 Family 6 Model 85 Stepping 7, GenuineIntel`."""
    found = re.search(r"Family (\d+) Model (\d+) Stepping (\d+), (\w+)", identifier)
    return dict(zip((*NUMBERS, "vendor_id"), found.groups(), strict=True)) if found else {}
