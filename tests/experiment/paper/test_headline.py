"""What a run of the paper's cases found, in one sentence with its scope."""

from msgspec.structs import replace

from pytest_energybench.base.flags import BACKGROUND_LOAD
from pytest_energybench.experiment.paper.claims_page import headline
from pytest_energybench.experiment.paper.figures import PAPER_FIGURES
from pytest_energybench.experiment.paper.matrix import Matrix
from tests.experiment.paper import samples
from tests.report import samples as others


def found_in(run, table):
    return headline(Matrix.of(run), table)


def test_the_finding_counts_models_and_says_what_the_ratio_is_one_of(run):
    found = found_in(run, "Claims")
    assert found.finding.startswith("Steganographic training took 0.")
    assert "of 9 models" in found.finding
    assert "of the baseline's estimated energy, a ratio of times (" in found.finding
    assert "estimated" not in found_in(samples.metered(run), "Claims").finding
    assert found.scope[0].startswith("Reproduction of Mei & Stamp (arXiv:")


def test_a_method_that_takes_more_is_not_counted_as_less(run):
    dear = [
        replace(case, total_j=1e9) if case.params["method"] == "steganographic" else case
        for case in run.cases
    ]
    assert "lower in 0 of 9 models" in found_in(replace(run, cases=dear), "").finding


def test_with_several_seeds_only_what_its_bound_shows_is_less(run):
    run = samples.relative(run, "steganographic", 0.8)
    wide = samples.seeded(run, 3, energy=lambda _, method, s: 1 + s * (method == "steganographic"))
    assert "less in 0 of 9 models" in found_in(wide, "").finding
    tight = found_in(samples.seeded(run, 3), "")
    assert tight.finding.endswith("with its search): less in 9 of 9 models")
    assert tight.scope[0].endswith("quick preset, digits, this CPU, 3 seeds.")


def test_models_with_a_disturbed_round_are_not_counted(run):
    run = samples.seeded(samples.relative(run, "steganographic", 0.8), 3)
    busy = [
        replace(each, flags=[f"{BACKGROUND_LOAD}: other processes used 3 CPU-s"])
        for each in run.cases[0].rounds
    ]
    first = run.cases[0].params["model"]
    cases = [
        replace(c, rounds=busy) if c.params == {"model": first, "method": "baseline"} else c
        for c in run.cases
    ]
    found = found_in(replace(run, cases=cases), "").finding
    assert found.endswith("less in 8 of 9 models, 1 not decided (disturbed)")


def test_an_undecided_accuracy_is_not_one_that_was_kept(run):
    place = {"model": "vgg16", "method": "pruning"}
    cases = [
        replace(c, comparisons=[replace(e, finding=found) for e in c.comparisons])
        for c in run.cases
        for found in ["undecided" if c.params == place else "kept"]
    ]
    assert "; of 1 that is undecided" in found_in(replace(run, cases=cases), "").scope[-1]


def test_it_names_what_lost_accuracy(run):
    lost = found_in(run, "Claims").scope[-1]
    assert "lost more accuracy than allowed" in lost
    assert lost[0].isdigit()


def test_without_the_paper_method_there_is_no_finding(run):
    assert found_in(samples.only(run, methods=("baseline", "pruning")), "") is None
    assert found_in(others.ci_run(), "") is None


def test_the_figure_it_opens_with_is_one_of_the_papers(run):
    assert found_in(run, "").figure in {figure.stem for figure in PAPER_FIGURES}
