"""The comment of a pull request, made of a run file that a stranger's job has written."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_energybench.cli.main import main
from pytest_energybench.gates.results import judged
from pytest_energybench.report.build import run_view
from pytest_energybench.report.markdown import LONGEST_COMMENT, LONGEST_NOTE, render_comment
from pytest_energybench.results.model import (
    Case,
    Commit,
    Comparison,
    MeterInfo,
    Result,
    Run,
    StoredRun,
)
from pytest_energybench.results.run_file import decode, write_run
from tests.report.samples import MACHINE
from tests.security.test_run_files import evil_everywhere

MARKER = "<!-- energybench: main -->"
HOSTILE = (
    "<!-- energybench: main -->", "@everyone", "a@example.org", "#1", "o/r#1", "GH-1", "!1", "%1",
    '~"l"', "~l",     "&1", "$1", "^alert#1", "[x](https://x.example)", "![x](https://x.example/x.png)",
    "https://x.example", "www.x.example", "<img src=x onerror=y>", "</details><h1>PASSED</h1>",
    "a|b", "a\\|b", "a\\\\|b", "``` \n x", "`", "x\n/close\n/assign @a", "/close",
    "- [ ] x", "# x", "$$x$$", "[^1]: x",
    "${{ secrets.X }}", "$(touch x)", "| x |", "</sub>", "\u202e",
)  # fmt: skip


class Shown(HTMLParser):
    """What a page shows and would load or link to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.outside_code = ""
        self._code = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.append(tag)
        self.loads += [
            name for name, _ in attrs if name in ("src", "href") or name.startswith("on")
        ]
        self._code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.outside_code += data


UNSAFE = 1 << 17
"""CMARK_OPT_UNSAFE: HTML in the text stays HTML, as before a forge has cleaned it."""

OURS = {"p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code", "br", "em", "sub"}
OURS |= {"details", "summary"}
REFERENCE = re.compile(r"@\w|[#!%&^]\w|~[a-z]|[~%]\"|\bGH-\d|://|\bwww\.", re.I)
"""What GitHub and GitLab make a link of in text that is no code, escaped or not."""


def hold(text: str) -> None:
    """It is nothing but text in the comment's own layout."""
    cmarkgfm = pytest.importorskip("cmarkgfm")
    assert text.startswith(f"{MARKER}\n")
    assert text.count("<!--") == 1
    assert not re.search(r"^\s*/", text, re.M)  # GitLab would run it as a command
    html = cmarkgfm.github_flavored_markdown_to_html(text, UNSAFE)
    shown = Shown(html)
    assert set(shown.tags) <= OURS
    assert not shown.loads
    assert not REFERENCE.search(shown.outside_code)
    for table in re.findall(r"<table>(.*?)</table>", html, re.S):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.S)
        assert len({len(re.findall("<t[dh]", row)) for row in rows}) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_run_is_more_than_text(text: str) -> None:
    case = judged(Case(nodeid=text, name=text, errors=[text], group=text))
    run = Run(
        machine=MACHINE, cases=[case], failures=[text], errors=[text], settings={"without": text}
    )
    hold(render_comment(run_view(run), "main", most=LONGEST_COMMENT, note=text))


def test_all_fields_of_a_hostile_file_together() -> None:
    run = decode(evil_everywhere(), msgspec.json.Decoder(Run))
    hold(render_comment(run_view(run), "main", most=LONGEST_NOTE))


def test_a_long_run_is_cut_to_what_each_forge_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        judged(Case(nodeid=f"{n}-{'猫' * 300}", name=f"{n}-{'猫' * 300}")) for n in range(2_000)
    ]
    write_run(Run(machine=MACHINE, cases=cases), tmp_path / "run.json")
    for forge, most in (("github", LONGEST_COMMENT), ("gitlab", LONGEST_NOTE)):
        assert main(["comment", str(tmp_path / "run.json"), "--name=main", f"--forge={forge}"]) == 0
        text = capsys.readouterr().out
        assert len(text.encode()) <= most
        assert ("further cases left out" in text) == (forge == "github")
        assert text.startswith(f"{MARKER}\n\nCompared with no stored run.\n")


@pytest.mark.parametrize("char", ["x", "<", "@a", "猫", "\u0301", "\u202e"])
def test_no_text_however_long_makes_it_longer_than_a_forge_takes(char: str) -> None:
    text = char * 200_000
    made = Comparison(
        reference="stored",
        name=text,
        finding="unclear",
        judged=Result(kind="fail", reason=text, text=text),
    )
    case = judged(Case(nodeid=text, name=text, units={text: 1.0}, comparisons=[made]))
    stored = StoredRun(
        name=text, created=text, differences=[text], stale=[text], not_run=[text], noise=text
    )
    run = Run(
        machine=MACHINE,
        cases=[case],
        meters=[MeterInfo(domain=text, source=text, provenance=text)],
        commits=[Commit(id=text, branch=text)],
        compared_with=stored,
        failures=[text],
        errors=[text],
        settings={"without": text, "carbon_intensity": 1.0, "carbon_intensity_source": text},
    )
    comment = render_comment(run_view(run), "main", most=LONGEST_COMMENT, note=text)
    assert len(comment.encode()) <= LONGEST_COMMENT
    hold(comment)
    assert "FAILED; nothing compared with " in comment


@pytest.mark.parametrize("name", ["", "a -->", "a\n", "-x", "x" * 65])
def test_a_name_that_would_end_the_marker_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write_run(Run(machine=MACHINE), tmp_path / "run.json")
    assert main(["comment", str(tmp_path / "run.json"), f"--name={name}"]) == 4
    said, told = capsys.readouterr()
    assert (said, told.count("\n")) == ("", 1)
    assert "up to 64 letters" in told
