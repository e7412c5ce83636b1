"""What `energybench doctor` says: a diagnosis for people and for scripts; and what lets users read
RAPL's counters, a rule for good, with what it means for security."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_energybench.base.text import sanitize
from pytest_energybench.metering.diagnosis import Diagnosis, DomainReport
from pytest_energybench.metering.powercap import SYSTEM_ROOT, find_counters

GROUP = "energy"
RULE = "/etc/udev/rules.d/70-energybench.rules"
TMPFILES = "/etc/tmpfiles.d/energybench.conf"
REAL_ROOT = "/sys/devices/virtual/powercap"
"""Where the class's links lead: tmpfiles changes no file behind a link."""


def render(diagnosis: Diagnosis) -> str:
    """The diagnosis as text for a terminal."""
    return "\n".join(map(sanitize, _lines(diagnosis)))


def to_json(diagnosis: Diagnosis) -> bytes:
    """The diagnosis as JSON: the fields of `Diagnosis`, and `exit_status`."""
    import msgspec

    fields = msgspec.to_builtins(diagnosis, enc_hook=str)  # a `Problem` is text, and more
    return msgspec.json.format(
        msgspec.json.encode({**fields, "exit_status": diagnosis.exit_status}), indent=2
    )


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    machine = diagnosis.machine
    yield f"{machine.cpu}, {machine.cores} CPUs, {machine.memory_bytes / 1e9:.1f} GB, {machine.os}"
    yield from machine.gpus
    yield ""
    yield from _table(diagnosis).splitlines()
    yield ""
    for domain in diagnosis.domains:
        yield f"{domain.name}: {domain.note}"
    if any(domain.provenance == "estimated" for domain in diagnosis.domains):
        yield "Nine of ten true figures lie within an estimate's error; docs/estimates.md has why."
    if diagnosis.left_out:
        yield ""
        yield "Left out, since it would count joules twice:"
        yield from (f"  {line}" for line in diagnosis.left_out)
    if diagnosis.missing:
        yield ""
        yield "Missing:"
        for gap in diagnosis.missing:
            yield f"  {gap.what}: {gap.why}"
            if gap.remedy:
                yield f"    remedy: {gap.remedy}"
    if diagnosis.findings:
        yield ""
        yield from diagnosis.findings
    yield ""
    if diagnosis.uncovered:
        yield f"Not even estimated: {', '.join(diagnosis.uncovered)}."
    if diagnosis.lost:
        yield "No total is known here, so no gate can judge. Lost:"
        yield from (f"  {line}" for line in diagnosis.lost)
    if not diagnosis.uncovered and not diagnosis.lost:
        yield "Every part of this machine is measured or estimated."


def _table(diagnosis: Diagnosis) -> str:
    from tabulate import tabulate

    head = ["domain", "source", "provenance", "error", "resolution", "update period"]
    if diagnosis.self_test_s:
        head += ["idle", "under load"]
    rows = [_row(domain, bool(diagnosis.self_test_s)) for domain in diagnosis.domains]
    return tabulate(rows, head, tablefmt="simple", disable_numparse=True)


def _row(domain: DomainReport, tested: bool) -> list[str]:
    row = [
        domain.name,
        domain.source,
        domain.provenance,
        "-" if domain.error is None else f"±{domain.error:.0%}",
        "-" if domain.resolution_j is None else f"{domain.resolution_j * 1e3:.3g} mJ",
        _period(domain),
    ]
    if tested:
        row += ["lost" if w is None else f"{w:.2f} W" for w in (domain.idle_w, domain.load_w)]
    return row


def _period(domain: DomainReport) -> str:
    if domain.seen_period_s is not None:
        return f"{domain.seen_period_s * 1e3:.3g} ms (seen)"
    if domain.provenance == "measured":
        return "didn't change"
    return "-" if domain.period_s is None else f"{domain.period_s * 1e3:.3g} ms"


def advice(root: Path = SYSTEM_ROOT) -> str:
    """The commands that make the counters readable for a group, printed and never run.

    Args:
        root: where the counters are.
    """
    return "\n".join(_advice(root))


def _advice(root: Path) -> Iterator[str]:
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
