"""The real file system for the package itself, in tests that have a fake one (pyfakefs).

pyfakefs puts fakes in place of `os`, `pathlib` and `io` in every module that is loaded, and throws
away what is loaded while they are in place. Counters, locks and the journal must stay real, so the
package's modules are loaded before, and named among those that pyfakefs leaves alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
ROOMS = ("base", "metering", "metering/sources", "results", "gates", "measurement", "session")
"""Where what a metered test may need lies, beside the package itself."""

_kept: set[object] = set()


def keep_real_files() -> None:
    """Have pyfakefs leave this package alone, if it is there; also in the midst of a fake."""
    faking = sys.modules.get("pyfakefs.fake_filesystem_unittest")
    if faking is None or _kept:
        return
    with real_files():
        _kept.update(map(import_module, _modules()))
    faking.Patcher.SKIPMODULES.update(_kept)
    if not _active(faking):
        faking.Patcher.clear_fs_cache()  # what it knew of those that were loaded before


@contextmanager
def real_files() -> Iterator[None]:
    """Suspend a fake file system, for the standard library as well: counters, machine and commit
    are looked up once and must be real."""
    faking = sys.modules.get("pyfakefs.fake_filesystem_unittest")
    if faking is None or not _active(faking):
        yield
        return
    with faking.Pause(faking.Patcher.PATCHER):
        yield


def _active(faking: Any) -> bool:
    patcher = faking.Patcher.PATCHER
    return patcher is not None and patcher.is_patching


def _modules() -> Iterator[str]:
    yield PACKAGE.name
    for folder in (PACKAGE, *(PACKAGE / room for room in ROOMS)):
        parts = folder.relative_to(PACKAGE.parent).parts
        for file in sorted(folder.glob("*.py")):
            if not file.stem.startswith("_"):
                yield ".".join((*parts, file.stem))
