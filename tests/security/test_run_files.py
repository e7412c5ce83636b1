"""Run files made by an attacker, into every command and option that reads one.

Each ends in an error of one line or in a safe page and table; never in a traceback, and nothing
that a terminal obeys comes out of it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pytest_energybench.cli.export import FORMATS
from pytest_energybench.cli.main import main
from tests.session.conftest import (  # noqa: F401  # fixtures, found by their names
    locks_of_its_own,
    only_this_plugin,
    suite,
)

Json = dict[str, Any]

OBEYED = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of writing."""

EVIL = (
    "\x1b[31mred\x1b]0;title\x07\x9b2J\0\r\u202egnp\u2066"
    "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>'\"=HYPERLINK(1)"
)

ROUND = {
    "started": "2026-01-01T00:00:00Z",
    "duration_s": 1.0,
    "energy_j": {"cpu:0": 5.0},
    "total_j": 5.0,
}
BASE: Json = {
    "schema_version": 2,
    "created": "2026-01-01T00:00:00Z",
    "machine": {"fingerprint": "f", "cpu": "c", "cores": 1, "memory_bytes": 1},
    "meters": [{"domain": "cpu:0", "source": "fake", "provenance": "measured"}],
    "settings": {"pue": 1.0},
    "cases": [
        {
            "nodeid": "test_a.py::test_a",
            "name": "test_a",
            "total_j": 5.0,
            "energy_j": {"cpu:0": 5.0},
            "provenance": {"cpu:0": "measured"},
            "rounds": [ROUND],
        }
    ],
}


def changed(**fields: Any) -> bytes:
    """The base with other fields in its case."""
    run = copy.deepcopy(BASE)
    run["cases"][0] |= fields
    return json.dumps(run).encode()


def evil_everywhere() -> bytes:
    """Every text of a run file holds what a terminal, a browser or a spreadsheet would obey."""
    result = {"kind": "fail", "reason": EVIL, "text": EVIL}
    compared = {"reference": "stored", "name": EVIL, "nodeid": EVIL, "finding": EVIL}
    run = copy.deepcopy(BASE) | {
        "created": EVIL,
        "compared_with": {
            "name": EVIL,
            "created": EVIL,
            "commit": {"id": EVIL},
            "differences": [EVIL],
            "stale": [EVIL],
            "not_run": [EVIL],
            "noise": EVIL,
        },
        "failures": [EVIL],
        "errors": [EVIL],
        "commits": [{"id": EVIL, "branch": EVIL, "subject": EVIL}],
        "settings": {"pue": 1.0, EVIL: EVIL, "carbon_intensity_source": EVIL},
        "meters": [{"domain": EVIL, "source": EVIL, "provenance": "measured", "note": EVIL}],
        "shard": {"index": 1, "count": 2, "planned": [EVIL]},
    }
    names = ("fingerprint", "cpu", "os", "python", "hostname")
    run["machine"] |= dict.fromkeys(names, EVIL) | {"gpus": [EVIL]}
    window = ROUND | {"name": EVIL, "started": EVIL, "energy_j": {EVIL: 5.0}}
    run["cases"][0] |= {
        "nodeid": EVIL,
        "name": EVIL,
        "group": EVIL,
        "outcome": "failed",
        "params": {EVIL: EVIL},
        "metrics": {EVIL: EVIL, "accuracy": 0.5},
        "energy_j": {EVIL: 5.0},
        "provenance": {EVIL: "measured"},
        "windows": [window | {"provenance": {EVIL: "measured"}, "flags": [EVIL], "errors": [EVIL]}],
        "series": [{"name": EVIL, "x": EVIL, "unit": EVIL, "points": [[0, 1], [1, 2]]}],
        "search": {
            "parameter": EVIL,
            "found": 1,
            "curve": [[0.1, 0.9]],
            "evaluations": 1,
            "images": 1,
        },
        "flags": [EVIL],
        "errors": [EVIL],
        "comparisons": [compared | {"estimate": 0.1, "method": EVIL, "judged": result}],
        "result": result,
    }
    return json.dumps(run).encode()


def new_words() -> bytes:
    """A file of a later version: every field that holds a word holds one that is new here."""
    result = {"kind": "dubious", "reason": "new", "text": "of a later version"}
    compared = {"finding": "gleamed", "limit": 5.0, "estimate": 0.1, "judged": result}
    window = ROUND | {"name": "w", "place": "elsewhere", "provenance": {"cpu:0": "simulated"}}
    comparisons = [
        compared | {"reference": reference, "quantity": quantity}
        for reference, quantity in (("sibling", "water"), ("stored", "energy"), ("budget", "water"))
    ]
    run = json.loads(
        changed(
            windows=[window],
            provenance={"cpu:0": "simulated"},
            comparisons=comparisons,
            result=result,
        )
    )
    run["meters"][0]["provenance"] = "simulated"
    return json.dumps(run).encode()


def text(value: str) -> bytes:
    return value.encode()


REFUSED: dict[str, bytes] = {
    "a number beyond physics": changed(total_j=1e308),
    "infinity": text(json.dumps(BASE).replace("5.0", "1e999")),
    "Infinity": text(json.dumps(BASE).replace("5.0", "Infinity")),
    "NaN": text(json.dumps(BASE).replace("5.0", "NaN")),
    "negative joules": changed(total_j=-1.0),
    "negative joules of a domain": changed(energy_j={EVIL: -1.0}),
    "an integer of 5,000 digits": text(
        json.dumps(BASE).replace('"cores": 1', '"cores": ' + "9" * 5000)
    ),
    "deep nesting": b'{"schema_version":2,"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep nesting alone": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "a case twice": text(json.dumps(BASE | {"cases": BASE["cases"] * 2})),
    "a key twice": text(json.dumps(BASE).replace('"name"', '"nodeid": "b", "name"')),
    "half a surrogate pair": text(json.dumps(BASE).replace('"test_a"', '"\\ud800"')),
    "another version": text(json.dumps(BASE | {"schema_version": EVIL})),
    "nothing": b"",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
    "a string in place of a figure": changed(total_j=EVIL),
}

READ: dict[str, bytes] = {
    "evil text everywhere": evil_everywhere(),
    "as large as may be": changed(
        total_j=1e30,
        energy_j={"cpu:0": 1e30},
        rounds=[ROUND | {"total_j": 1e30, "energy_j": {"cpu:0": 1e30}}] * 7,
    ),
    "as small as may be": changed(total_j=5e-324, rounds=[ROUND | {"total_j": 5e-324}] * 7),
    "nothing spent": changed(total_j=0.0, rounds=[ROUND | {"total_j": 0.0}] * 7),
    "a PUE of 1e308": text(json.dumps(BASE | {"settings": {"pue": 1e308}})),
    "a PUE that is none": text(json.dumps(BASE | {"settings": {"pue": "x"}})),
    "a negative PUE": text(json.dumps(BASE | {"settings": {"pue": -5}})),
    "a curve out of all bounds": changed(
        series=[{"name": "s", "x": "e", "points": [[1e308, -1e308], [-1e308, 1e308], [0, 0]]}]
    ),
    "an interval upside down": changed(
        comparisons=[
            {
                "reference": "group",
                "finding": "same",
                "estimate": -1e308,
                "interval": [1e308, -1e308],
                "n": 0,
            }
        ]
    ),
    "counts that cannot be": changed(metrics={"accuracy": 1e308, "correct": -1, "total": 0}),
    "a name of a megabyte": changed(name="x" * 10**6, nodeid="x" * 10**6),
    "words that nobody knows": new_words(),
    "words that a terminal obeys": changed(result={"kind": EVIL}, outcome=EVIL),
    "no case": text(json.dumps(BASE | {"cases": []})),
    "a date that is none": text(json.dumps(BASE | {"created": "999999999-99-99T99:99:99Z"})),
}

COMMANDS: dict[str, Callable[[str, str], list[str]]] = {
    "page": lambda file, _: ["report", file, "-o", "out.html"],
    "Markdown": lambda file, _: ["report", file, "-o", "out.md"],
    "CSV": lambda file, _: ["report", file, "-o", "out.csv"],
    "page against it": lambda file, base: ["report", base, "--compare", file, "-o", "out.html"],
    "comment": lambda file, _: ["comment", file],
    "compare": lambda file, base: ["compare", base, file, "--fail-on=more,stale,missing"],
    "compare with it": lambda file, base: ["compare", file, base, "--allow-mismatch"],
    "compare as CSV": lambda file, base: ["compare", file, base, "--format=csv"],
    "compare as Markdown": lambda file, base: ["compare", file, base, "--format=markdown"],
    "merge": lambda file, base: ["merge", file, base, "-o", "out.json", "--overwrite"],
    "merge what differs": lambda file, base: [
        *("merge", file, base, "-o", "out.json", "--overwrite", "--allow-mismatch")
    ],
    **{
        f"export to {name}": lambda file, _, name=name: ["export", file, f"--format={name}"]
        for name in FORMATS
    },
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], tuple[str, str]]:
    """Writes a hostile file beside a good one."""
    monkeypatch.chdir(tmp_path)

    def write(content: bytes) -> tuple[str, str]:
        Path("evil.json").write_bytes(content)
        other = copy.deepcopy(BASE)
        other["cases"][0] |= {"nodeid": "test_b.py::test_b", "name": "test_b"}
        Path("base.json").write_text(json.dumps(other))
        return "evil.json", "base.json"

    return write


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_run_is_refused_in_one_line(
    files: Callable[[bytes], tuple[str, str]], capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    file, base = files(REFUSED[kind])
    for name, command in COMMANDS.items():
        assert main(command(file, base)) == 4, name
        said, told = capsys.readouterr()
        assert said == ""
        assert told.count("\n") == 1
        assert len(told) < 500
        assert "evil.json: " in told
        assert not OBEYED.search(told)
    assert not list(Path().glob("out.*"))


@pytest.mark.parametrize("kind", READ)
def test_what_could_be_a_run_is_shown_and_obeyed_by_nothing(
    files: Callable[[bytes], tuple[str, str]], capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    file, base = files(READ[kind])
    for name, command in COMMANDS.items():
        assert main(command(file, base)) in (0, 1, 4), name
        assert not OBEYED.search("".join(capsys.readouterr())), name
    for out in ("out.html", "out.md", "out.csv"):
        assert not OBEYED.search(Path(out).read_text("utf-8")), out


class Page(HTMLParser):
    """What of a page would run or load: scripts, handlers, images, links out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "iframe", "object", "embed", "link", "base"):
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name.startswith("on") or name == "src"]
        self.found += [v for name, v in attrs if name == "href" and v and not v.startswith("#")]


def test_the_page_of_an_evil_run_runs_its_own_script_alone(
    files: Callable[[bytes], tuple[str, str]],
) -> None:
    pages = []
    for content in (evil_everywhere(), json.dumps(BASE).encode()):
        file, _ = files(content)
        main(["report", file, "-o", "out.html"])
        page = Page()
        page.feed(Path("out.html").read_text())
        pages.append(page.found)
    assert pages[0] == pages[1] == ["script"]


def test_no_cell_of_an_evil_run_is_a_formula(
    files: Callable[[bytes], tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    file, base = files(changed(nodeid="=HYPERLINK(1)", name="@SUM(1)", group="+1", flags=["-1"]))
    main(["compare", file, base, "--format=csv"])
    assert "\n'=HYPERLINK(1)," in capsys.readouterr().out
    main(["report", file, "-o", "out.csv"])
    assert "'=HYPERLINK(1),'+1," in Path("out.csv").read_text()


def test_a_session_that_compares_with_an_evil_run(
    suite: pytest.Pytester,  # noqa: F811
) -> None:
    suite.makepyfile(test_a="def test_a(energy, work):\n    with energy.measure(): work(1.0)")
    for content in (READ["evil text everywhere"], REFUSED["another version"], REFUSED["NaN"]):
        Path("evil.json").write_bytes(content)
        result = suite.runpytest_inprocess(
            "-p",
            "no:cacheprovider",
            "-v",
            "--energy-compare=evil.json",
            "--energy-fail-on=stale,missing,not-comparable,more",
        )
        assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR)
        shown = "\n".join([*result.outlines, *result.errlines])
        assert not OBEYED.search(shown)
        assert "Traceback" not in shown
        assert "INTERNALERROR" not in shown


def test_a_new_word_costs_no_reader_the_file_and_is_shown(
    files: Callable[[bytes], tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    file, base = files(READ["words that nobody knows"])
    assert main(["report", file, "-o", "out.html"]) == 0
    page = Path("out.html").read_text()
    for word in ("dubious: new", "gleamed", "sibling"):
        assert word in page
    Path("same.json").write_text(json.dumps(BASE))
    assert main(["compare", "same.json", file, "--fail-on=not-comparable"]) == 1
    assert "simulated by fake here and measured by fake there" in "".join(capsys.readouterr())
    assert main(["merge", file, base, "-o", "out.json", "--allow-mismatch"]) == 0
    merged = json.loads(Path("out.json").read_text())["cases"][0]
    assert merged["result"]["kind"] == "dubious"  # an unknown result is as bad as can be
