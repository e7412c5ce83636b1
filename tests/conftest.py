"""For all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def locks_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests meter without waiting for whatever else this machine meters, workers for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENERGYBENCH_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield
