"""Every code block of README and docs does what its page says, and every link leads somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, SHELL, Block, blocks, missing_line, settings

SUPPORT = Path(__file__).parent / "support"


class Reader:
    """Follows a page in an empty folder, as its reader would.

    Attributes:
        own_meter: its commands meter this machine: the exit statuses are the page's, the figures
            and notes are not.
    """

    def __init__(self, page: Path, folder: Path, *, own_meter: bool = False) -> None:
        self.own_meter = own_meter
        self.folder = folder
        self._page = page
        self._printed = ""
        self._python = ""
        said = settings(page.read_text("utf-8"))
        shortened = "" if own_meter else said.get("shortened", "")
        self._long, _, self._short = shortened.partition(" -> ")
        plugins = ["pytest_energybench.plugin"]
        if said.get("meter") != "machine" and not own_meter:
            plugins.append("docs_meter")
        if page.name == "README.md":
            plugins.append("docs_names")
        plugins += said.get("plugins", "").split()
        kept = ("HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
        self._env = {name: os.environ[name] for name in kept if name in os.environ} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{SUPPORT}{os.pathsep}{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": ",".join(plugins),
            "ENERGYBENCH_LOCK_DIR": str(folder.parent / "locks"),  # nobody else's windows matter
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "100",
        }

    def follow(self) -> None:
        """Do what each block says."""
        for block in blocks(self._page.read_text("utf-8")):
            if self._long:
                block = replace(block, text=block.text.replace(self._long, self._short))
            if block.key == "not run":
                assert block.value, self._at(block, "doesn't say why it can't be run")
            elif block.key == "file":
                self._write(block)
            elif block.language in SHELL:
                self._run(block, ["bash", "-euo", "pipefail", "-c", block.text])
            elif block.language == "python":
                self._execute(block)
            elif block.language == "text":
                self._compare(block)
            elif block.language == "toml":
                tomllib.loads(block.text)
            elif block.language == "json":
                json.loads(block.text)
            elif block.language == "yaml":
                pytest.importorskip("yaml").safe_load(block.text)
            elif block.language != "mermaid":
                pytest.fail(self._at(block, f"nobody checks {block.language or 'plain'} blocks"))

    def _write(self, block: Block) -> None:
        path = self.folder / block.value
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
        if path.suffix == ".py":
            compile(block.text, str(path), "exec")
        elif path.suffix == ".toml":
            tomllib.loads(block.text)

    def _execute(self, block: Block) -> None:
        if "def test_" in block.text:
            name = f"test_line_{block.line}.py"
            (self.folder / name).write_text(block.text, "utf-8")
            self._run(block, [sys.executable, "-m", "pytest", "-q", name])
            return
        self._python += block.text
        self._run(block, [sys.executable, "-c", self._python])

    def _run(self, block: Block, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self._env, capture_output=True, text=True, timeout=600
        )
        self._printed = done.stdout + done.stderr
        wanted = int(block.value) if block.key == "exit" else 0
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode  # as a shell
        unsteady = UNSTEADY.get((status, wanted))
        if self.own_meter and unsteady and unsteady.search(self._printed):
            pytest.skip(f"exit {status}: needs a machine whose figures hold still")
        assert status == wanted, self._at(block, f"exit {status}")

    def _compare(self, block: Block) -> None:
        if self.own_meter:
            return
        line = missing_line(block.text, self._printed)
        assert line is None, self._at(block, f"not printed: {line}")

    def _at(self, block: Block, what: str) -> str:
        return (
            f"{self._page.relative_to(ROOT)}:{block.line}: {what}\n"
            f"{block.text}\n--- printed\n{self._printed}"
        )


QUICK = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")
"""What a newcomer follows; every other page takes seconds of real sessions, too."""


@pytest.mark.parametrize(
    "page",
    [page if page in QUICK else pytest.param(page, marks=pytest.mark.slow) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_block_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    Reader(page, folder).follow()


UNSTEADY = {
    (1, 0): re.compile(r"machine busy|background load|FAIL +more than"),
    (0, 1): re.compile(r"UNKNOWN +machine busy"),
}
"""Exit status, and what was wanted -> how a gate reads that a shared machine alone turned."""
MEASURED = (
    "README.md",
    "docs/tutorial.md",
    "docs/how-to/gate-a-pull-request.md",
    "docs/how-to/compare-two-implementations.md",
    "docs/how-to/write-budgets.md",
)


@pytest.mark.slow
@pytest.mark.parametrize("page", MEASURED)
def test_a_page_holds_with_the_meter_of_this_machine(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    Reader(ROOT / page, folder, own_meter=True).follow()


CHANGE = re.compile(
    r"~?(?P<first>[\d.,]+)(?: (?P<its>[µmkM]?J))?"
    r" (?P<sign>→|>|≤|\(\w+\) is (?:above|within) the budget of)"
    r" ~?(?P<second>[\d.,]+) (?P<unit>[µmkM]?J):? +(?P<change>[+−][\d.,]+) %"
)
SCALES = {"µJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6}


def ends(number: str, scale: float = 1.0) -> tuple[float, float]:
    """Between which two a number lies that is written so."""
    digits = number.replace(",", "").replace("−", "-")
    half = 0.5 * 10.0 ** -len(digits.partition(".")[2])
    return (float(digits) - half) * scale, (float(digits) + half) * scale


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_change_in_an_output_follows_from_the_two_figures_beside_it(page: Path) -> None:
    for found in CHANGE.finditer(page.read_text("utf-8")):
        scale = SCALES[found["unit"]]
        first = ends(found["first"], SCALES.get(found["its"] or "", scale))
        second = ends(found["second"], scale)
        ours, theirs = (second, first) if found["sign"] == "→" else (first, second)
        low, high = ends(found["change"], 0.01)
        assert ours[0] / theirs[1] - 1 <= high, found[0]
        assert low <= ours[1] / theirs[0] - 1, found[0]


LINK = re.compile(r"\]\((?!https?://)([^)\s#]*)(#[^)\s]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for name, anchor in LINK.findall(page.read_text("utf-8")):
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            broken.append(name)
        elif anchor and anchor[1:] not in anchors(target):
            broken.append(name + anchor)
    assert not broken


def test_what_installs_the_plugin_says_from_where_before_its_release() -> None:
    """The package index has nothing yet, and no tag names a version of the actions."""
    fetched = re.compile(r"pip install [^#\n]*\bpytest-energybench\b(?!\[| @)|energybench\S*@v\d")
    files = [*PAGES, *(ROOT / "docs" / "workflows").iterdir()]
    fetching = {
        path.name: text for path in files if fetched.search(text := path.read_text("utf-8"))
    }
    assert {"README.md", "tutorial.md", "energy.yml", "energy.gitlab-ci.yml"} <= fetching.keys()
    del fetching["platforms.md"]  # which says it
    assert not [
        name for name, text in fetching.items() if not re.search("platforms.md|@main", text)
    ]


def anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ +(.*?)\s*$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
