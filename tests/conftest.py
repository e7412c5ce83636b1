"""For all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

UPDATE = "ENERGYBENCH_UPDATE_GOLDEN"

# Before torch is loaded: beside other work, threads that wait by spinning hold up the ones that
# they wait for, and a training of seconds takes minutes (see `docs/measuring.md`).
os.environ.setdefault("GOMP_SPINCOUNT", "20000")


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
