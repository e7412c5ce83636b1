"""For all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import torch

UPDATE = "ENERGYBENCH_UPDATE_GOLDEN"

# Before torch is loaded: nets this small gain nothing from a second thread, and beside workers and
# other work, threads that wait for each other turn seconds into minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Generated examples have no deadline: a busy machine is slow, and that is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cpu-bfloat16",
        choices=("own", "yes", "no"),
        default="own",
        help="play a CPU that computes in bfloat16, or one that doesn't (default: this one as it "
        "is); `narrow` plays both where a test's figures depend on it",
    )


def pytest_collection_finish() -> None:
    """What is loaded by now stays. Torch and some thousand tests are a million objects: to look
    for garbage among them takes a second, and each pytest that a test starts in here does."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def cpu_of_the_session(request: pytest.FixtureRequest) -> Iterator[None]:
    """The CPU that `--cpu-bfloat16` asks for. Torch computes in bfloat16 on every CPU, if slowly,
    so that either can be played everywhere."""
    played = request.config.getoption("--cpu-bfloat16")
    with pytest.MonkeyPatch.context() as patch:
        if played != "own":
            play_bfloat16(patch, played == "yes")
        yield


@pytest.fixture(params=["yes", "no"], ids=["with bfloat16", "without bfloat16"])
def narrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """The narrowest type for 16 bits, on a CPU that computes in bfloat16 and on one that doesn't:
    bfloat16 and float32."""
    import torch

    play_bfloat16(monkeypatch, request.param == "yes")
    return torch.bfloat16 if request.param == "yes" else torch.float32


def play_bfloat16(patch: pytest.MonkeyPatch, native: bool) -> None:
    patch.setattr(
        "pytest_energybench.experiment.training.hardware._cpu_has_bfloat16", lambda: native
    )


@pytest.fixture(autouse=True, scope="session")
def locks_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests meter without waiting for whatever else this machine meters, workers for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENERGYBENCH_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare with a file kept in `golden/` beside the test; `ENERGYBENCH_UPDATE_GOLDEN=1 pytest
    ...` renews it."""

    def check(name: str, text: str) -> None:
        path = request.path.parent / "golden" / name
        if os.environ.get(UPDATE):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8"), f"{name} differs; if meant, set {UPDATE}=1"

    return check
