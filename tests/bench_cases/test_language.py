"""The language cases in a pytest of their own, with decoders and a text that are tiny."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

# Before a run of pytester's begins, which forgets what is loaded meanwhile.
import transformers.models.auto.modeling_auto
import transformers.models.gpt_neox.modeling_gpt_neox
import transformers.models.llama.modeling_llama  # noqa: F401

from bench_cases import language
from bench_cases.test_language import ROUNDS
from pytest_energybench.experiment.paper.matrix import IN_TURN
from pytest_energybench.experiment.training import cache
from pytest_energybench.experiment.training.language import pretraining
from pytest_energybench.experiment.training.language.sizes import LanguageSize
from tests.bench_cases.conftest import Run

CASES = "bench_cases/test_language.py"
TINY = LanguageSize(32, 64, 1, 2, windows=64, pretraining=960, batch=16, length=32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of short texts, and the tiny size in place of every preset's."""
    monkeypatch.setattr(language, "size_of", lambda _: TINY)
    monkeypatch.setattr(cache, "default_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(pretraining, "standard_library", lambda _: "\n".join(map(_text, range(99))))
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(40):
        (texts / f"{number}.txt").write_text(_text(number + 100), "utf-8")
    return texts


def _text(number: int) -> str:
    return " ".join(f"{number} and {each}" for each in range(number, number + 30))


def test_every_method_trains_a_decoder_and_writes_down_what_it_counted(
    run_pytest: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = replace(TINY.train_settings(0), max_epochs=1)
    monkeypatch.setattr(LanguageSize, "train_settings", lambda _, seed: replace(rules, seed=seed))
    done = run_pytest(
        *(CASES, "-k", "llama and (not inference or decode-1- or lowrank)"),
        *("--bench-device=cpu", f"--bench-data=text:{folder}"),
        *("--bench-methods=paper,autocast,channel", f"--energy-json={tmp_path / 'run.json'}"),
    )
    run = json.loads((tmp_path / "run.json").read_text("utf-8"))
    trained = [case for case in run["cases"] if "phase" not in case["params"]]
    cases = {case["params"]["method"]: case["metrics"] for case in trained}
    methods = {"baseline", "amp", "autocast", "steganographic", "pruning", "lowrank", "channel"}
    assert set(cases) == methods, done.stdout.str()
    for figures in cases.values():
        assert figures["total"] % TINY.length == 0
        assert 1 < figures["perplexity"] < 256
    judged = {each["quantity"] for case in trained for each in case["comparisons"]}
    assert judged == {"energy", "accuracy", "perplexity"}
    curves = {each["name"]: each["points"] for each in run["cases"][0]["series"]}
    assert len(curves["test loss by block"]) == len(curves["test accuracy by block"])
    assert cases["steganographic"]["zeroed_bits"] > 0
    assert cases["pruning"]["pruned_rate_prunable"] >= 0
    assert cases["lowrank"]["candidate_layers"] == 7  # of a layer; neither embedding nor head
    assert cases["channel"]["channel_rate"] >= 0
    used = [case for case in run["cases"] if "phase" in case["params"]]
    assert len(used) == len(methods) + 3 * len({"baseline", "lowrank"})
    for case in used:
        batch, phase = case["params"]["batch"], case["params"]["phase"]
        length = TINY.length if phase == "prefill" else 32
        assert case["units"] == {"token": batch * length}, case["nodeid"]
        assert case["outcome"] == "passed", case["nodeid"]
        assert {each["seed"] for each in case["rounds"]} == {0}
        pairs = [len(each["points"]) for each in case["series"] if each["name"] == IN_TURN]
        assert pairs == ([] if case["baseline"] else [ROUNDS])
    assert run["settings"]["optimizer"] == "adamw"
    assert run["settings"]["data"] == "text:texts"
    assert "torchvision" not in run["settings"]


def test_a_run_that_can_be_resumed_says_what_text_it_was_trained_on(
    run_pytest: Run, folder: Path, tmp_path: Path
) -> None:
    """What there is to resume is looked up before the last hook of collection has ended."""
    arguments = (
        *(CASES, "-k", "llama and baseline and not inference", "--bench-device=cpu"),
        *(f"--bench-data=text:{folder}", "--bench-epochs=1", "--energy-resume"),
        f"--energy-report-dir={tmp_path / 'parts'}",
    )
    for name in ("begun.json", "resumed.json"):  # the second finds all cases finished
        run_pytest(*arguments, f"--energy-json={tmp_path / name}")
        run = json.loads((tmp_path / name).read_text("utf-8"))
        assert len(run["cases"]) == 1
        assert (run["settings"]["data"], run["settings"]["optimizer"]) == ("text:texts", "adamw")


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        (("bench_cases", "-k", "llama and steganographic"), ["baseline", "steganographic"] * 5),
        (("bench_cases", "-k", "alexnet and steganographic"), []),
        ((CASES, "-k", "neox and amp and not inference"), ["baseline", "amp"]),
    ],
)
def test_decoders_are_collected_where_they_are_named(
    run_pytest: Run, selected: tuple[str, ...], expected: list[str]
) -> None:
    lines = run_pytest(*selected, "--collect-only", "-q").outlines
    found = [line.rpartition("-")[2].rstrip("]") for line in lines if line.startswith(CASES)]
    assert found == expected
