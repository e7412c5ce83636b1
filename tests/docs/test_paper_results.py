"""What docs/make_results.py makes of a run of the paper's cases, and of a threshold sweep."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from pytest_energybench.base.flags import BACKGROUND_LOAD
from pytest_energybench.results.model import Run
from pytest_energybench.results.run_file import write_run
from tests.docs.pages import ROOT
from tests.experiment.paper import samples

BUSY = f"{BACKGROUND_LOAD}: other processes used 3 CPU-s"


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script, with runs and page of a folder of its own."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    made = importlib.import_module("make_results")
    monkeypatch.setattr("sys.argv", ["make_results.py"])
    monkeypatch.setattr(made, "RUN", tmp_path / "energy.json")
    monkeypatch.setattr(made, "SWEEP", tmp_path / "threshold")
    monkeypatch.setattr(made, "TARGET", tmp_path / "page.md")
    monkeypatch.setattr(made, "publish", lambda *_: None)  # has tests of its own, and takes long
    (tmp_path / "page.md").write_text(
        "words before\n<!-- figures: begin -->\n<!-- figures: end -->\nwords after\n"
    )
    return made


def page_of(generator: ModuleType, run: Run) -> str:
    write_run(run, generator.RUN, overwrite=True)
    assert generator.main() == 0
    page: str = generator.TARGET.read_text("utf-8")
    assert page.startswith("words before")
    assert page.endswith("words after\n")
    return page


def row(page: str, title: str, name: str) -> list[str]:
    """The cells of a row in the table under a title."""
    _, _, rest = page.partition(f"**{title}")
    table = rest.partition("\n**")[0]
    found = re.search(rf"^\| {re.escape(name)} \| (.*) \|$", table, re.MULTILINE)
    return found[1].split(" | ") if found else []


@pytest.fixture(scope="module")
def seeded() -> Run:
    """Two models, three seeds; the steganographic one takes .4 to .6 of its baseline."""
    run = samples.only(samples.paper_run(), models=("resnet18", "vgg16"))
    run = samples.relative(run, "steganographic", 0.5)
    wide = (0.8, 1.0, 1.2)
    return samples.seeded(
        run, 3, energy=lambda _, method, seed: wide[seed] if method == "steganographic" else 1.0
    )


TRAINING = "Energy of training, over the baseline's"


def test_a_ratio_has_its_bounds_and_the_models_are_pooled(
    generator: ModuleType, seeded: Run
) -> None:
    page = page_of(generator, seeded)
    assert row(page, TRAINING, "VGG16")[1] == "0.49 (0.35 to 0.69)"
    assert row(page, TRAINING, "all models")[1] == "0.49 (all 2 the same)"
    assert row(page, TRAINING, "shown less and more in")[1] == "2 and 0 of 2"
    assert (
        "resnet18 steganographic" in row(page, "What the intervals show", "Energy of training")[0]
    )


def test_a_disturbed_cell_decides_nothing(generator: ModuleType, seeded: Run) -> None:
    cases = [
        replace(case, rounds=[replace(case.rounds[0], flags=[BUSY]), *case.rounds[1:]])
        if case.params == {"model": "vgg16", "method": "steganographic"}
        else case
        for case in seeded.cases
    ]
    page = page_of(generator, replace(seeded, cases=cases))
    assert row(page, TRAINING, "VGG16")[1] == "0.49 (0.35 to 0.69), machine busy in 1 of 6"
    assert row(page, TRAINING, "shown less and more in")[1] == "1 and 0 of 1"
    assert row(page, TRAINING, "all models")[1] == "0.49"
    shown = row(page, "What the intervals show", "Energy of training")
    assert "resnet18 steganographic" in shown[0]
    assert "vgg16 steganographic" not in shown[0]


def test_the_accuracy_rule_is_judged_over_the_seeds(generator: ModuleType, seeded: Run) -> None:
    lost = samples.seeded(
        seeded, 3, accuracy=lambda _, method, seed: -0.05 * (method == "amp") + seed / 1000
    )
    page = page_of(generator, replace(lost, settings={**lost.settings, "max_drop": 0.01}))
    assert row(page, "The accuracy rule over the seeds", "VGG16")[0] == "lost (accuracy), 0 of 3"


def test_a_sweep_has_a_row_for_each_drop_and_a_drawing(generator: ModuleType, seeded: Run) -> None:
    generator.SWEEP.mkdir()
    for drop in (0.02, 0.005):
        run = samples.relative(samples.paper_run(), "lowrank", 1 - 20 * drop)
        one = samples.only(run, models=("resnet18",))
        one = replace(one, settings={**one.settings, "max_drop": drop})
        write_run(one, generator.SWEEP / f"drop-{drop}.json", overwrite=False)
    page = page_of(generator, seeded)
    title = "A looser threshold: ResNet18"
    found = re.findall(r"^\| lowrank \| (\S+) \| (\S+) ", page.partition(title)[2], re.MULTILINE)
    assert found == [("0.5", "0.90"), ("2", "0.60")]
    assert "![Energy with its search" in page
    assert "low rank" in generator.TARGET.with_name(generator.DRAWING).read_text("utf-8")
