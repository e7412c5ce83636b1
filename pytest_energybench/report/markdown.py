"""The summary for a pull request: verdict and what changed, at most 60 lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_energybench.report import units
from pytest_energybench.report.build import run_view
from pytest_energybench.report.text import LONGEST_NAME, plural, shorten, visible
from pytest_energybench.report.view import GLYPHS, WORST_FIRST, CaseView, RunView
from pytest_energybench.results.model import Run

MOST_LINES = 60
_MOST_ROWS = 30
_LONGEST_REASON = 160
_MARKUP = re.compile(r"([\\`*_{}\[\]#|~<>&$])")
_QUIET = ("within", "unjudged")


def render_markdown(run: Run) -> str:
    """Headline, table of the cases that changed (of all, where they are few), reasons, origin."""
    view = run_view(run)
    shown = _shown(view)
    lines = [f"**{_escape(view.headline)}** {_escape(view.cost)}", ""]
    lines += _table(view, shown)
    left_out = len(view.cases) - len(shown)
    if left_out:
        lines += [f"{plural(left_out, 'further case')} not shown.", ""]
    lines += _reasons(view)
    if view.estimate_note and view.has_delta:
        lines += [f"_{_escape(view.estimate_note)}_", ""]
    lines.append(_origin(view))
    return "\n".join(lines) + "\n"


def _shown(view: RunView) -> list[CaseView]:
    if len(view.cases) <= _MOST_ROWS:
        return list(view.cases)
    changed = [case for case in view.cases if case.kind not in _QUIET or case.needs_a_look]
    changed.sort(key=lambda case: WORST_FIRST.index(case.kind))
    return changed[:_MOST_ROWS]


def _table(view: RunView, shown: Sequence[CaseView]) -> list[str]:
    if not shown:
        return []
    columns: list[tuple[str, str, list[str]]] = [
        ("case", ":--", [_code(case.label) for case in shown]),
        ("energy", "--:", [_escape(case.energy_column.text) for case in shown]),
        ("time", "--:", [case.duration.text for case in shown]),
    ]
    if view.has_delta:
        head = "Δ baseline (time ratio)" if _all_time_ratios(shown) else "Δ baseline"
        columns.append((head, "--:", [_delta(case) for case in shown]))
    if view.has_accuracy:
        columns.append(("accuracy", "--:", [case.accuracy.text for case in shown]))
    columns.append(("verdict", ":--", [f"{GLYPHS[case.kind]} {case.word}" for case in shown]))
    rows = zip(*(cells for _, _, cells in columns), strict=True)
    return [
        _row(head for head, _, _ in columns),
        _row(rule for _, rule, _ in columns),
        *(_row(row) for row in rows),
        "",
    ]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _all_time_ratios(cases: Sequence[CaseView]) -> bool:
    judged = [case for case in cases if case.delta.value is not None]
    return bool(judged) and all(case.time_ratio for case in judged)


def _delta(case: CaseView) -> str:
    text = _escape(case.delta.text)
    return f"{text} ({units.interval(case.interval)})" if case.interval else text


def _reasons(view: RunView) -> list[str]:
    told = [case for case in view.looks if case.reason][:10]
    if not told:
        return []
    return [
        *(
            f"- {_code(case.label)}: {_escape(shorten(case.reason, _LONGEST_REASON))}"
            for case in told
        ),
        "",
    ]


def _origin(view: RunView) -> str:
    words = ", ".join(
        f"{meter.domain} {meter.source} ({meter.provenance})" for meter in view.meters
    )
    commit = view.source.commit
    parts = [f"Meters: {words or 'none'}", f"PUE {view.pue:g}"]
    if view.hosts:
        parts.append(plural(len(view.hosts), "host"))
    if commit is not None:
        parts.append(f"commit {commit.id[:12]}{' with uncommitted changes' * commit.dirty}")
    return f"<sub>{_escape(shorten('; '.join(parts), 400))}</sub>"


def _escape(text: str) -> str:
    """Markdown and HTML characters lose their meaning; a mention stays a word."""
    return _MARKUP.sub(r"\\\1", visible(text)).replace("@", "@\u200b")


def _code(text: str) -> str:
    """A code span, fenced longer than any run of backticks inside; a pipe would end the cell."""
    text = shorten(text, LONGEST_NAME).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"
