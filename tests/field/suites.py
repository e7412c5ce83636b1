"""What suites of strangers are run with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.session.conftest import (
    locks_of_its_own,
    only_this_plugin,
    suite,
)

__all__ = ["cases", "locks_of_its_own", "only_this_plugin", "suite"]


def cases(path: str) -> dict[str, dict[str, Any]]:
    """The cases of a run file by their names."""
    return {case["name"]: case for case in json.loads(Path(path).read_text())["cases"]}
