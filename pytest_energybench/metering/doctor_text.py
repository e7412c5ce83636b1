"""A diagnosis for people, and for scripts."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_energybench.base.text import sanitize
from pytest_energybench.metering.diagnosis import Diagnosis, DomainReport


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
