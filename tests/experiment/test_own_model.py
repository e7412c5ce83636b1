"""A model of one's own, as the how-to shows it: trained, checked and judged as the paper's are."""

from __future__ import annotations

import json

import pytest
import transformers.models.llama.modeling_llama  # noqa: F401
from torch import nn

# Before a run of pytester's begins, which forgets what is loaded meanwhile.
from pytest_energybench.experiment import experiment
from pytest_energybench.experiment.training import model_names
from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.evaluate import check_knows_classes
from tests.bench_cases.conftest import Run, run_pytest  # noqa: F401
from tests.docs.pages import ROOT, blocks
from tests.session.conftest import only_this_plugin  # noqa: F401  # found by its name

PAGE = ROOT / "docs" / "how-to" / "your-own-model.md"


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    """A stranger's repository with the files of the how-to."""
    for block in blocks(PAGE.read_text("utf-8")):
        if block.key == "file":
            (pytester.path / block.value).write_text(block.text, "utf-8")
    return pytester


def test_every_method_of_the_paper_is_a_case_with_its_figures(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []

    def check(model: nn.Module, validation: Split, batch_size: int) -> None:
        checked.append(len(validation))
        check_knows_classes(model, validation, batch_size)

    monkeypatch.setattr(experiment, "check_knows_classes", check)
    done = folder.runpytest_inprocess("test_mynet.py", "--energy-json=run.json")
    shown = done.stdout.str()
    cases = {
        case["params"]["method"]: case
        for case in json.loads((folder.path / "run.json").read_text("utf-8"))["cases"]
    }
    assert set(cases) == {"baseline", "amp", "steganographic", "pruning", "lowrank"}, shown
    assert len({case["group"] for case in cases.values()}) == 1
    for method, case in cases.items():
        figures = case["metrics"]
        assert figures["total"] == 500
        assert figures["accuracy"] > 0.9
        assert figures["epochs"] >= 4
        assert (case["search"] is not None) == (method not in ("baseline", "amp"))
    assert cases["steganographic"]["metrics"]["compression_rate"] > 0
    assert len(checked) == 1  # three methods search, from one start
    # Whether so small a net saves energy is the machine's affair; nothing else may go wrong.
    errors = [line for line in done.outlines if line.startswith("E   ") and "Error" in line]
    assert all("energy" in line for line in errors), shown


def test_a_language_model_has_the_same_cases_and_a_rule_of_both_figures(
    folder: pytest.Pytester,
) -> None:
    done = folder.runpytest_inprocess("test_mylm.py", "--energy-json=run.json")
    cases = {
        case["params"]["method"]: case
        for case in json.loads((folder.path / "run.json").read_text("utf-8"))["cases"]
    }
    shown = done.stdout.str()
    assert set(cases) == {"baseline", "steganographic", "pruning", "lowrank"}, shown
    for method, case in cases.items():
        assert 2 < case["metrics"]["perplexity"] < 100
        assert case["metrics"]["tokens_trained"] % 32 == 0
        judged = {each["quantity"] for each in case["comparisons"] if each["judged"]}
        assert judged == (set() if method == "baseline" else {"energy", "accuracy", "perplexity"})


def test_a_registered_model_is_collected_beside_the_papers(
    folder: pytest.Pytester,
    run_pytest: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_names, "own_models", dict(model_names.own_models))
    monkeypatch.syspath_prepend(folder.path)
    selected = ("bench_cases/test_paper.py", "-k", "mynet", "--collect-only", "-q")
    done = run_pytest("-p", "mynet", *selected)
    assert done.ret == pytest.ExitCode.OK, done.stderr.str()
    done.stdout.fnmatch_lines(
        ["*test_paper[[]mynet-baseline]", "*test_paper[[]mynet-steganographic]"]
    )


BROKEN = """
import pytest, torch
from pytest_energybench.experiment import Experiment, methods

GOOD = torch.zeros(4, 1, 8, 8), torch.arange(4)

@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((torch.zeros(4, 1, 8, 8), torch.arange(3)), "train: 4 images, and class numbers of 3"),
        ((torch.zeros(4, 1, 8, 8), torch.zeros(4)), "train: class numbers are torch.float32"),
        ((torch.zeros(0, 1, 8, 8), torch.zeros(0).long()), "train has no images"),
        (iter(()), "train: tuple_iterator is no data"),
    ],
)
def test_it(train, message):
    from pytest_energybench.experiment.training.errors import DataError
    with pytest.raises(DataError, match=message):
        Experiment("x", model=None, train=train, validation=GOOD, test=GOOD)

@methods("no-such-method")
def test_unknown(energy, method):
    Experiment(
        "x", model=lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)),
        train=GOOD, validation=GOOD, test=GOOD
    ).run(energy, method)
"""


def test_what_cannot_be_used_is_said_in_a_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_broken=BROKEN)
    done = pytester.runpytest_inprocess("-q")
    done.assert_outcomes(passed=5, failed=1)
    done.stdout.fnmatch_lines("*SettingError: unknown method 'no-such-method': choose from*")
    done.stdout.no_fnmatch_line("*Traceback*")
