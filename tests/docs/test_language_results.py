"""What docs/make_language_results.py makes of merged runs, one for each size."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from pytest_energybench.experiment.paper.matrix import IN_TURN
from pytest_energybench.results.model import Case, Round, Scalar, Search, Series, Window
from pytest_energybench.results.run_file import write_run
from tests.docs.pages import ROOT
from tests.results.samples import make_run

SEEDS = (101, 102, 103)
BUSY = "background load: other processes used 2 CPU-s"


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script, with the runs and the page of a folder of its own."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    made = importlib.import_module("make_language_results")
    monkeypatch.setattr("sys.argv", ["make_language_results.py"])
    monkeypatch.setattr(made, "RUNS", tmp_path)
    monkeypatch.setattr(made, "TARGET", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(
        "words before\n<!-- figures: begin -->\n<!-- figures: end -->\nwords after\n"
    )
    return made


def trained(
    method: str,
    ratios: tuple[float, ...],
    *,
    points: tuple[float, ...] = (0.0, 0.0, 0.0),
    rise: float = 1.0,
    search_j: float = 0.0,
    epochs: int = 6,
    flags: tuple[str, ...] = (),
    optimizer: float = 1.0,
) -> Case:
    """Three trainings of a method at `ratios` of a baseline of 100, 200 and 400 J."""
    rounds, windows = [], []
    for number, (seed, ratio, lost) in enumerate(zip(SEEDS, ratios, points, strict=True)):
        joules = ratio * 100 * 2**number
        metrics: dict[str, Scalar] = {
            "accuracy": 0.5 + lost / 100,
            "perplexity": 6.0 * rise,
            "epochs": epochs,
            "trainings": epochs // 6,
            "parameters": 1000,
            "bytes_stored": 4000,
            "optimizer_bytes": 8000 * optimizer,
            "compression_rate": 0.5,
        }
        rounds.append(_round(seed, joules, metrics, flags))
        for place, spent in (("counted", joules), ("beside", search_j * 2**number)):
            if spent:
                windows.append(_window(place, number, spent))
    search = Search(parameter="n", found=1.0, curve=[], evaluations=3, images=3)
    return Case(
        nodeid=f"test_language[llama-{method}]",
        name=f"test_language[llama-{method}]",
        params={"model": "llama", "method": method},
        rounds=rounds,
        metrics=rounds[0].metrics,
        windows=windows,
        search=search if search_j else None,
        total_j=rounds[1].total_j,
        provenance={"cpu": "estimated"},
    )


def used(method: str, ratios: tuple[float, ...] = (), *, flags: tuple[str, ...] = ()) -> Case:
    """Two rounds of decode of each seed; the first at the ratio, the other at it, too."""
    rounds = [_round(seed, 0.064, {}, ()) for seed in SEEDS for _ in range(2)]
    curves = [
        Series(name=IN_TURN, x="pair", points=[(1, ratio), (2, ratio)], round=2 * place)
        for place, ratio in enumerate(ratios)
    ]
    return Case(
        nodeid=f"test_inference[llama-decode-1-{method}]",
        name=f"test_inference[llama-decode-1-{method}]",
        params={"model": "llama", "phase": "decode", "batch": 1, "method": method},
        rounds=rounds,
        series=curves,
        windows=[_window("beside", 0, 1.0, flags)],
        total_j=0.064,
        provenance={"cpu": "estimated"},
    )


def _round(seed: int, joules: float, metrics: dict[str, Scalar], flags: tuple[str, ...]) -> Round:
    return Round(
        started="",
        duration_s=1.0,
        energy_j={"cpu": joules},
        total_j=joules,
        seed=seed,
        metrics=metrics,
        units={} if metrics else {"token": 32.0},
        flags=list(flags),
    )


def _window(place: str, number: int, joules: float, flags: tuple[str, ...] = ()) -> Window:
    return Window(
        name=place,
        started="",
        duration_s=1.0,
        energy_j={"cpu": joules},
        total_j=joules,
        provenance={"cpu": "estimated"},
        place=place,
        round=number,
        flags=list(flags),
    )


def page_of(generator: ModuleType, *cases: Case, size: str = "quick", **settings: Scalar) -> str:
    """The page that the generator makes of a run of these cases."""
    rules: dict[str, Scalar] = {"max_drop": 0.01, "max_perplexity_rise": 0.01, "pue": 1.0}
    run = make_run(*cases, settings=rules | settings)
    write_run(run, generator.RUNS / f"{size}.json", overwrite=True)
    assert generator.main() == 0
    page: str = generator.TARGET.read_text("utf-8")
    return page


def row(page: str, title: str, method: str) -> list[str]:
    """The cells of a method in the table of this title."""
    table = page.partition(f"**{title}")[2].split("\n\n")[1]
    found = [line for line in table.splitlines() if line.startswith(f"| {method} |")]
    return [cell.strip() for cell in found[0].strip("|").split("|")[1:]] if found else []


BASELINE = trained("baseline", (1.0, 1.0, 1.0))
WIDE = (0.4, 0.5, 0.625)


def test_without_a_run_it_says_what_is_missing_and_the_page_has_no_figure(
    generator: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert generator.main() == 0
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("reports/language/quick.json is missing: SIZES=quick sh bench_cases/")
    page = generator.TARGET.read_text("utf-8")
    assert page == (
        "words before\n<!-- figures: begin -->\n\nThe run isn't published yet.\n\n"
        "<!-- figures: end -->\nwords after\n"
    )
    monkeypatch.setattr("sys.argv", ["make_language_results.py", "--check"])
    assert generator.main() == 0
    generator.TARGET.write_text(page.replace("isn't", "is"))
    assert generator.main() == 1
    assert "out of date: python docs/make_language_results.py" in capsys.readouterr().out


def test_it_says_what_the_run_was_in_the_runs_own_words(generator: ModuleType) -> None:
    page = page_of(generator, BASELINE, transformers="5.24.0", torch="2.14", data="topics")
    facts = page.partition("this run |")[2].split("\n\n")[0]
    for line in (
        "| seeds | 101, 102 and 103 |",
        "| text | source topics |",
        "| versions | torch 2.14, transformers 5.24.0 |",
        "| rule | at most 1 point of accuracy lost and perplexity at most 1 % up |",
        "| meters | cpu cpu-time (±30 %) and ram ram-size (±50 %) |",
        "| training | – |",
    ):
        assert line in facts.splitlines()
    assert "every energy ratio here is a time ratio" in page


def test_sizes_that_have_a_run_stand_on_the_page_the_smallest_first(generator: ModuleType) -> None:
    for size in ("paper", "quick"):
        page = page_of(generator, BASELINE, size=size)
    assert re.findall("^### (.*)", page, re.MULTILINE) == [
        "The quick size, 3 seeds",
        "The paper size, 3 seeds",
    ]


def test_energy_is_paired_by_seed_with_bounds_of_the_logarithms(generator: ModuleType) -> None:
    page = page_of(generator, BASELINE, trained("amp", WIDE), trained("lowrank", WIDE, epochs=12))
    assert row(page, "Training", "amp") == ["0.50 (0.34 to 0.73)"] * 2 + ["6.0", "1.0"]
    assert row(page, "Training", "lowrank")[1:] == ["0.25 (0.17 to 0.36)", "12.0", "2.0"]
    assert row(page, "Training", "baseline") == [r"\~233 J", r"\~38.9 J", "6.0", "1.0"]


def test_the_first_table_says_less_or_more_only_where_bounds_do(generator: ModuleType) -> None:
    page = page_of(
        generator,
        BASELINE,
        trained("amp", WIDE),
        trained("pruning", (1.1, 1.2, 1.3)),
        trained("lowrank", (0.5, 1.0, 2.0)),
        trained("autocast", WIDE, flags=(BUSY,)),
    )
    less, more, neither = row(page, "What the intervals show", "energy of training")
    assert (less, more) == ("llama amp", "llama pruning")
    assert neither == "llama autocast, llama lowrank"
    assert row(page, "Training", "autocast")[0] == "0.50 (0.34 to 0.73), machine busy in 3 of 6"


def test_a_disturbed_baseline_decides_nothing_of_any_method(generator: ModuleType) -> None:
    page = page_of(generator, trained("baseline", (1.0,) * 3, flags=(BUSY,)), trained("amp", WIDE))
    assert row(page, "What the intervals show", "energy of training")[:2] == ["none", "none"]


@pytest.mark.parametrize(
    ("points", "rise", "expected"),
    [
        ((-0.2, -0.3, -0.1), 1.005, ["kept", "3 of 3"]),
        ((-0.2, -0.3, -0.1), 1.03, ["lost (perplexity)", "0 of 3"]),
        ((-3.0, -3.1, -2.9), 1.0, ["lost (accuracy)", "0 of 3"]),
        ((0.5, -0.5, -2.0), 1.0, ["undecided", "2 of 3"]),
    ],
)
def test_the_rule_is_accuracy_and_perplexity_over_seeds_and_in_each(
    generator: ModuleType, points: tuple[float, ...], rise: float, expected: list[str]
) -> None:
    page = page_of(generator, BASELINE, trained("amp", WIDE, points=points, rise=rise))
    found = row(page, "Change of what the model answers", "amp")
    assert found[2:] == expected
    assert found[1].startswith(f"{100 * (rise - 1):+.2f} (")
    assert row(page, "Change of what the model answers", "baseline")[:2] == ["0.500", "6.000"]


def test_a_run_that_does_not_say_its_rule_is_not_judged(generator: ModuleType) -> None:
    page = page_of(generator, BASELINE, trained("amp", WIDE), max_perplexity_rise=None)
    assert row(page, "Change of what the model answers", "amp")[2:] == ["–", "–"]


def test_a_disturbed_search_decides_nothing_of_the_training_with_it(generator: ModuleType) -> None:
    case = trained("lowrank", (0.5,) * 3, search_j=25.0)
    windows = [replace(each, flags=[BUSY] * (each.place == "beside")) for each in case.windows]
    page = page_of(generator, BASELINE, replace(case, windows=windows))
    assert row(page, "Training", "lowrank")[0] == "0.50 (all 3 the same)"
    assert row(page, "The method's search", "lowrank")[1].endswith(", machine busy in 3 of 9")
    assert row(page, "What the intervals show", "energy of training")[0] == "llama lowrank"
    assert row(page, "What the intervals show", "training with search")[0] == "none"


def test_what_has_no_search_is_not_disturbed_by_the_empty_window_of_one(
    generator: ModuleType,
) -> None:
    case = trained("amp", (0.5,) * 3, search_j=25.0)
    windows = [replace(each, flags=[BUSY] * (each.place == "beside")) for each in case.windows]
    page = page_of(generator, BASELINE, replace(case, windows=windows, search=None))
    assert row(page, "What the intervals show", "training with search")[0] == "llama amp"


def test_a_search_stands_apart_and_is_paid_by_what_trainings_save(generator: ModuleType) -> None:
    page = page_of(
        generator,
        BASELINE,
        trained("amp", (0.5,) * 3),
        trained("steganographic", (0.5,) * 3, search_j=25.0),
        trained("pruning", (1.2,) * 3, search_j=25.0),
    )
    assert row(page, "The method's search", "amp") == []
    spent = row(page, "The method's search", "steganographic")
    assert spent == ["0.25", "0.75 (all 3 the same)", "0.5"]
    assert row(page, "The method's search", "pruning")[2] == "never"


def test_memory_counts_the_states_of_the_optimizer(generator: ModuleType) -> None:
    page = page_of(generator, BASELINE, trained("amp", WIDE, optimizer=1.5))
    assert row(page, "Memory", "amp") == ["0.50", "1.00", "1.50", "1.33"]


def test_inference_is_of_pairs_in_turn_and_a_seed_is_one_sample(generator: ModuleType) -> None:
    page = page_of(
        generator,
        BASELINE,
        trained("amp", WIDE),
        trained("lowrank", WIDE),
        used("baseline"),
        used("amp", WIDE),
        used("lowrank", WIDE, flags=(BUSY,)),
    )
    assert row(page, "Joules per token in turn", "baseline")[2] == r"\~2.00 mJ"
    assert row(page, "Joules per token in turn", "amp") == ["–", "–", "0.50 (0.34 to 0.73)", "–"]
    assert row(page, "Joules per token in turn", "lowrank")[2].endswith(", machine busy in 1 of 1")
    shown = row(page, "What the intervals show", "joules per token, decode, batch 1")
    assert shown == ["llama amp", "none", "llama lowrank"]
