"""The hook of the cases: what it hands to the report, what it says, what it does not import."""

import subprocess
import sys

import pytest

from bench_cases.attachments import paper_attachments
from pytest_energybench.experiment.paper import publish
from pytest_energybench.report.attachments import Table
from tests.experiment.paper import samples


class Terminal:
    def __init__(self):
        self.lines = []

    def ensure_newline(self):
        self.lines.append("")

    def write_line(self, line):
        self.lines.append(line)


class Config:
    """As much of pytest's as the hook uses; `terminal` None is `-p no:terminal`."""

    def __init__(self, terminal):
        self.pluginmanager = self
        self.terminal = terminal

    def get_plugin(self, name):
        return self.terminal if name == "terminalreporter" else None


@pytest.fixture(scope="module")
def part(run):
    return samples.only(run, models=("resnet18",), methods=("baseline", "pruning"))


def test_figures_and_tables_are_handed_over_and_gaps_told(part, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(publish, "PAPER_FIGURES", publish.PAPER_FIGURES[:2])
    terminal = Terminal()
    attached = paper_attachments(Config(terminal), part, tmp_path)
    tables = [each.title for each in attached if isinstance(each, Table)]
    figures = [each for each in attached if not isinstance(each, Table)]
    assert tables[0] == "Claims of the paper"
    assert len(tables) == 7
    assert len(figures) == 1
    assert all(path.exists() for path in figures)
    assert terminal.lines == ["", "Figure 1 is left out: it needs steganographic cases"]


def test_without_a_terminal_nothing_is_told_and_the_same_handed_over(part, tmp_path, monkeypatch):
    monkeypatch.setattr(publish.importlib.util, "find_spec", lambda _: None)  # no time to draw
    attached = paper_attachments(Config(None), part, tmp_path)
    assert "matplotlib is missing" in str(attached[-1].rows)


def test_collecting_costs_no_matplotlib():
    script = (
        "import sys, bench_cases.conftest, bench_cases.attachments\n"
        "import pytest_energybench.experiment.paper.publish\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_reading_a_run_of_the_paper_loads_neither_pytest_nor_torch():
    script = (
        "import sys, pytest_energybench.experiment.paper.publish\n"
        "sys.exit(not {'pytest', '_pytest', 'torch'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
