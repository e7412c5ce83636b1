"""The paper's comparison, model by model."""

import msgspec
import pytest

from pytest_energybench.report.build import run_view
from pytest_energybench.report.charts.measures import measures


def test_only_the_papers_cases_are_drawn_so(paper, ci):
    assert measures(run_view(ci).cases) is None
    odd = msgspec.structs.replace(paper.cases[0], params={"model": "x", "method": "y", "z": 1})
    mixed = msgspec.structs.replace(paper, cases=[*paper.cases, odd])
    assert measures(run_view(mixed).cases) is None


def test_panels_methods_and_table(paper):
    made = measures(run_view(paper).cases)
    assert [panel.heading for panel in made.panels] == [
        "Energy",
        "Time",
        "Accuracy",
        "Epochs",
        "Energy per epoch",
        "Compression",
    ]
    assert [entry.name for entry in made.methods] == [
        "baseline",
        "steganographic",
        "pruning",
        "lowrank",
    ]
    assert len(made.rows) == 36
    assert made.rows[1].cells[-1] == "60.9 %"
    assert made.rows[1].cells[0].startswith("~")


def test_energy_is_relative_to_the_models_own_baseline(paper):
    panel = measures(run_view(paper).cases).panels[0]
    for line in panel.lines:
        baseline, steganographic = line.marks[:2]
        assert baseline.x == pytest.approx(panel.reference)
        assert steganographic.x < baseline.x
    assert panel.finding.startswith("Median over 9 models of the baseline's: 0.62")
    assert panel.time_ratio


def test_a_model_without_its_baseline_has_no_ratio(paper):
    alone = msgspec.structs.replace(paper, cases=[c for c in paper.cases if not c.baseline])
    made = measures(run_view(alone).cases)
    assert "Energy" not in [panel.heading for panel in made.panels]
    assert "Accuracy" in [panel.heading for panel in made.panels]
