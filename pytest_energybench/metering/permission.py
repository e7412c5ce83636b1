"""What lets users read RAPL's counters: a rule for good, and what it means for security."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_energybench.metering.powercap import SYSTEM_ROOT, find_counters

GROUP = "energy"
RULE = "/etc/udev/rules.d/70-energybench.rules"
TMPFILES = "/etc/tmpfiles.d/energybench.conf"
REAL_ROOT = "/sys/devices/virtual/powercap"
"""Where the class's links lead: tmpfiles changes no file behind a link."""


def advice(root: Path = SYSTEM_ROOT) -> str:
    """The commands that make the counters readable for a group, printed and never run.

    Args:
        root: where the counters are.
    """
    return "\n".join(_lines(root))


def _lines(root: Path) -> Iterator[str]:
    counters = find_counters(root)
    if not counters.domains:
        yield f"There is no RAPL counter in {root}, so no rule can make one readable."
        return
    closed = [problem.why for problem in counters.problems if problem.why.startswith("permission")]
    if closed:
        yield f"RAPL's counters are closed to you ({closed[0]})."
    else:
        yield "RAPL's counters are readable for you already; this is for other users."
    yield ""
    yield "What it means: who reads these counters sees what the processor draws, finely enough to"
    yield "learn something of what others compute on it, keys among it (CVE-2020-8694, PLATYPUS)."
    yield "On a machine with users, containers or jobs that you don't trust, leave them closed, and"
    yield "measure there as root alone, or estimate: --energy-meters=nvml,estimate."
    yield ""
    yield "A group that may read them, with you in it (log in again afterwards):"
    yield ""
    yield f"sudo groupadd --system {GROUP}"
    yield f'sudo usermod -aG {GROUP} "$USER"'
    yield ""
    yield "Then one of these, as your system has udev or only systemd-tmpfiles:"
    yield ""
    yield f"sudo tee {RULE} <<'END'"
    for change in (f"/bin/chgrp {GROUP}", "/bin/chmod g+r"):
        yield (
            'SUBSYSTEM=="powercap", ACTION=="add", TEST=="energy_uj",'
            f' RUN+="{change} /sys%p/energy_uj"'
        )
    yield "END"
    yield "sudo udevadm control --reload"
    yield "sudo udevadm trigger --subsystem-match=powercap --action=add"
    yield ""
    yield f"sudo tee {TMPFILES} <<'END'"
    for depth in ("*", "*/*"):
        yield f"z {REAL_ROOT}/intel-rapl/{depth}/energy_uj 0440 root {GROUP} -"
    yield "END"
    yield f"sudo systemd-tmpfiles --create {TMPFILES}"
    yield ""
    yield f"To take it back: delete that file, and `sudo chmod 0400 {root}/*/energy_uj`."
