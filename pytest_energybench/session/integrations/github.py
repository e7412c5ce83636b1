"""A run in a GitHub step: its summary, and findings beside the code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_energybench.report.view import RunView
    from pytest_energybench.results.model import Case


def github_summary(
    view: Callable[[], RunView], environ: Mapping[str, str] = os.environ
) -> str | None:
    """Append the run's Markdown to the step's summary on GitHub.

    Returns:
        why that failed, None if it went well or this is no GitHub step.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return None
    from pytest_energybench.report.markdown import LONGEST_SUMMARY, render_markdown

    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(f"{path} is no plain file")
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as summary:
            room = LONGEST_SUMMARY - summary.tell() - 1  # others write into it, too
            summary.write(render_markdown(view(), most=room) + "\n")
    except OSError as error:
        return f"step summary not written: {error}"
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test stands: its file, and its line counted from 1, if that is known."""

    file: Path
    line: int | None = None


def github_annotations(
    cases: Sequence[Case],
    failures: Sequence[str] = (),
    places: Mapping[str, Place] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[str]:
    """Workflow commands that put findings beside the code on GitHub.

    An `error` is what makes the exit status other than 0, everything else is a `warning`; what was
    declared beforehand (xfail) is neither.

    Args:
        failures: why the session fails, a line each; that of a case begins with its node id.
        places: node id -> where its test stands.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return []
    from pytest_energybench.report.answers import ended_otherwise
    from pytest_energybench.results.model import NOT_JUDGED, NOT_MEASURED

    workspace = Path(os.path.realpath(environ.get("GITHUB_WORKSPACE") or "."))
    lines: list[str] = []
    of_cases: set[str] = set()
    for case in cases:
        result = case.result
        if result is None or not result.reason or result.kind == "xfail":
            continue
        if result.kind != "fail" and result.reason == NOT_JUDGED:
            continue
        reason = f"test {case.outcome}" if ended_otherwise(case) else result.reason
        level = "error" if result.kind == "fail" else "warning"
        if level == "error":  # it says what the session's own line says
            of_cases |= {line for line in failures if line.startswith(f"{case.nodeid}: ")}
        place = (places or {}).get(case.nodeid) or Place(Path(case.nodeid.partition("::")[0]))
        properties = {
            "file": _from(workspace, place.file),
            **({} if place.line is None else {"line": str(place.line)}),
            "title": f"energy: {reason}",
        }
        shown = ",".join(
            f"{name}={_escaped(text, in_property=True)}" for name, text in properties.items()
        )
        words = dict.fromkeys([result.text, *case.errors[: result.reason == NOT_MEASURED]])
        text = f"{case.name}: {'; '.join(words)}"
        lines.append(f"::{level} {shown}::{_escaped(text)}")
    rest = [line for line in failures if line not in of_cases]
    return [*lines, *(f"::error title=energy gate::{_escaped(line)}" for line in rest)]


def _from(workspace: Path, file: Path) -> str:
    """The path as GitHub wants it: from the workspace's root, wherever pytest was called."""
    real = Path(os.path.realpath(file))
    return str(real.relative_to(workspace) if real.is_relative_to(workspace) else file)


def _escaped(text: str, *, in_property: bool = False) -> str:
    """GitHub's own escapes for workflow commands, so that a test's name can't give one."""
    escapes = {"%": "%25", "\r": "%0D", "\n": "%0A"}
    if in_property:
        escapes |= {":": "%3A", ",": "%2C"}
    return "".join(escapes.get(char, char) for char in text)
