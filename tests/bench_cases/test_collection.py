"""What a user selects and what a user is told, in a pytest of its own that collects the cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_energybench.training.settings import MODELS

ROOT = Path(__file__).parents[2]
CASES = "bench_cases/test_paper.py"


def collect(*options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        CASES,
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",  # it takes a second to load
    ]
    return subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def ids(*options: str) -> list[str]:
    lines = collect(*options).stdout.splitlines()
    return [line.partition("[")[2].rstrip("]") for line in lines if line.startswith(CASES)]


def test_every_model_has_a_baseline_and_a_case_for_each_method() -> None:
    found = ids("--bench-methods=steganographic")
    assert found == [
        f"{model}-{method}" for model in MODELS for method in ("baseline", "steganographic")
    ]


@pytest.mark.parametrize("options", [(), ("--bench-methods=paper",)])
def test_by_default_the_papers_methods_run_with_the_control(options: tuple[str, ...]) -> None:
    assert ids("-k", "resnet50", *options) == [
        f"resnet50-{method}"
        for method in ("baseline", "amp", "steganographic", "pruning", "lowrank")
    ]


def test_methods_combined_go_by_their_marks_too() -> None:
    combined = ("-k", "alexnet", "--bench-methods=steganographic+channel")
    assert ids(*combined) == ["alexnet-baseline", "alexnet-steganographic+channel"]
    assert ids(*combined, "-m", "channel") == ids(*combined)


def test_lists_and_names_go_together_and_what_loses_by_design_is_in_no_list() -> None:
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
    options: tuple[str, ...], expected: list[str]
) -> None:
    assert ids("--bench-methods=steganographic", *options) == expected


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--bench-methods=quantum", "unknown method 'quantum': choose from baseline"),
        ("--bench-preset=huge", "--bench-preset=huge: choose one of quick, standard, paper"),
        ("--bench-preset=paper", "needs its images: give --bench-data=imagenet:PATH"),
        ("--bench-data=mnist", "unknown data 'mnist': choose one of digits, imagefolder:PATH"),
        ("--bench-weights=/nowhere", "unknown weights '/nowhere': choose warm, imagenet"),
        ("--bench-max-drop=much", "--bench-max-drop=much: give a number from 0 to 1"),
        ("--bench-search=greedy", "--bench-search=greedy: choose one of bisection, exhaustive"),
        ("--bench-seed=-1", "--bench-seed=-1: give a number from 0"),
    ],
)
def test_what_does_not_exist_is_a_usage_error_that_names_what_does(option: str, said: str) -> None:
    result = collect(option)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_without_torch_the_way_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench_cases import options

    monkeypatch.setattr(options, "NEEDED", ("torch_that_is_not_here",))
    with pytest.raises(pytest.UsageError, match=r"pip install 'pytest-energybench\[bench\]'"):
        options.check_installed()


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ({}, "20000 None"),
        ({"OMP_WAIT_POLICY": "active"}, "None active"),
        ({"GOMP_SPINCOUNT": "7"}, "7 None"),
    ],
)
def test_waiting_threads_sleep_unless_the_user_has_said_how_they_wait(
    given: dict[str, str], then: str
) -> None:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    script = f"""if True:
        import os, pytest
        pytest.main([{CASES!r}, "--collect-only", "-q", "-p", "no:hypothesispytest"])
        print(*(os.environ.get(name) for name in {names!r}))
    """
    kept = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**kept, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == then


@pytest.mark.parametrize(("on_a_host", "said"), [(False, [{}]), (True, ["quick"])])
def test_with_ray_in_the_ini_file_the_hosts_that_train_say_the_settings(
    on_a_host: bool, said: list[object]
) -> None:
    script = f"""if True:
        import json, sys, pytest

        class Host:
            @pytest.hookimpl(tryfirst=True)
            def pytest_configure(self, config):
                if {on_a_host}:
                    config.option.energy_ray = ""  # as the plugin does in each of them

        class Asking:
            def pytest_collection_finish(self, session):
                print(json.dumps(session.config.hook.pytest_energy_settings(config=session.config)))

        arguments = ["--collect-only", "-q", "-p", "no:hypothesispytest", "-o", "energy_ray=auto"]
        pytest.main([{CASES!r}, *arguments], plugins=[Host(), Asking()])
    """
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("[{")]
    assert [given.get("preset", given) for given in json.loads(line)] == said
