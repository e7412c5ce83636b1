"""What a user selects and what a user is told, in a pytest of its own that collects the cases."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from pytest_energybench.experiment.training.model_names import MODELS
from tests.bench_cases.conftest import Run

CASES = "bench_cases/test_paper.py"
Ids = Callable[..., list[str]]


@pytest.fixture
def collect(run_pytest: Run) -> Run:
    return lambda *options, **more: run_pytest(CASES, "--collect-only", "-q", *options, **more)


@pytest.fixture
def ids(collect: Run) -> Ids:
    """The ids of the cases that these options collect."""

    def ids(*options: str) -> list[str]:
        lines = collect(*options).outlines
        return [line.partition("[")[2].rstrip("]") for line in lines if line.startswith(CASES)]

    return ids


def test_every_model_has_a_baseline_and_a_case_for_each_method(ids: Ids) -> None:
    found = ids("--bench-methods=steganographic")
    assert found == [
        f"{model}-{method}" for model in MODELS for method in ("baseline", "steganographic")
    ]


@pytest.mark.parametrize("options", [(), ("--bench-methods=paper",)])
def test_by_default_the_papers_methods_run_with_the_control(
    ids: Ids, options: tuple[str, ...]
) -> None:
    assert ids("-k", "resnet50", *options) == [
        f"resnet50-{method}"
        for method in ("baseline", "amp", "steganographic", "pruning", "lowrank")
    ]


def test_a_name_that_matches_nothing_is_answered_with_the_names_there_are(collect: Run) -> None:
    result = collect("-k", "resnet19")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["no case matches -k 'resnet19'; models: *resnet18*amp*"])


def test_methods_combined_go_by_their_marks_too(ids: Ids) -> None:
    combined = ("-k", "alexnet", "--bench-methods=steganographic+channel")
    assert ids(*combined) == ["alexnet-baseline", "alexnet-steganographic+channel"]
    assert ids(*combined, "-m", "channel") == ids(*combined)


def test_lists_and_names_go_together_and_what_loses_by_design_is_in_no_list(ids: Ids) -> None:
    found = ids("-k", "alexnet", "--bench-methods=paper,steganographic+channel,amp")
    assert found == [
        *ids("-k", "alexnet", "--bench-methods=paper"),
        "alexnet-steganographic+channel",
    ]
    everything = ids("-k", "alexnet", "--bench-methods=all")
    assert set(found) < set(everything)
    assert "alexnet-naive-truncation" not in everything
    assert "alexnet-naive-truncation" in ids("-k", "alexnet", "--bench-methods=naive-truncation")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-k", "resnet18 and steganographic"), ["resnet18-baseline", "resnet18-steganographic"]),
        (("-k", "convnext"), ["convnext_base-baseline", "convnext_base-steganographic"]),
        (("-m", "vgg16 and not baseline"), ["vgg16-baseline", "vgg16-steganographic"]),
        (("-m", "energy_baseline and alexnet"), ["alexnet-baseline"]),
    ],
)
def test_names_and_marks_select_and_the_baseline_comes_along(
    ids: Ids, options: tuple[str, ...], expected: list[str]
) -> None:
    assert ids("--bench-methods=steganographic", *options) == expected


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--bench-methods=quantum", "unknown method 'quantum': choose from baseline"),
        ("--bench-preset=huge", "--bench-preset=huge: choose one of quick, standard, paper"),
        ("--bench-preset=paper", "needs its images: give --bench-data=imagenet:PATH"),
        ("--bench-data=cats", "unknown data 'cats': choose one of mnist, digits, imagefolder:PATH"),
        ("--bench-weights=/nowhere", "unknown weights '/nowhere': choose warm, imagenet"),
        ("--bench-max-drop=much", "--bench-max-drop=much: 'much' is not a percentage"),
        ("--bench-max-drop=100 %", "--bench-max-drop=100 %: all accuracy could be lost"),
        ("--bench-search=greedy", "--bench-search=greedy: choose one of bisection, exhaustive"),
        ("--bench-seed=-1", "--bench-seed=-1: give a number from 0"),
        ("--bench-subset=5", "--bench-subset=5 takes images of each class of a folder: give"),
        ("--bench-epochs=0", "--bench-epochs=0: give a number from 1"),
    ],
)
def test_what_does_not_exist_is_a_usage_error_that_names_what_does(
    collect: Run, option: str, said: str
) -> None:
    result = collect(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_without_torch_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench_cases import options

    monkeypatch.setattr(options, "NEEDED", ("torch_that_is_not_here",))
    with pytest.raises(pytest.UsageError, match=r"pip install 'pytest-energybench\[bench\]'"):
        options.check_installed()


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ({}, {"GOMP_SPINCOUNT": "20000"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
    ],
)
def test_waiting_threads_sleep_unless_the_user_has_said_how_they_wait(
    collect: Run, given: dict[str, str], then: dict[str, str]
) -> None:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(given)
    collect()
    assert {name: os.environ[name] for name in names if name in os.environ} == then


@pytest.mark.parametrize(("on_a_host", "said"), [(False, [{}]), (True, ["quick"])])
def test_with_ray_in_the_ini_file_the_hosts_that_train_say_the_settings(
    collect: Run, on_a_host: bool, said: list[object]
) -> None:
    class Host:
        @pytest.hookimpl(tryfirst=True)
        def pytest_configure(self, config: pytest.Config) -> None:
            if on_a_host:
                config.option.energy_ray = False  # as the plugin does in each of them

    class Asking:
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            self.found = session.config.hook.pytest_energy_settings(config=session.config)

    asking = Asking()
    options = ("-o", "energy_ray=auto", "--bench-data=digits")
    done = collect(*options, plugins=(Host(), asking))
    assert done.ret == pytest.ExitCode.OK, done.stderr.str()
    assert [given.get("preset", given) for given in asking.found] == said
