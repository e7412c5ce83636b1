"""The commit a run is made at, as git tells it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pytest_energybench.results.model import Commit

_TIMEOUT_S = 5.0


def read_commit(folder: str | os.PathLike[str]) -> Commit | None:
    """The commit of the working tree around `folder`; None without git, tree or commit.

    `dirty` looks at tracked files alone: reports and caches that git doesn't know change nothing
    about what was measured.
    """
    head = _git(folder, "log", "-1", "--no-show-signature", "--format=%H%n%s")
    if head is None:
        return None
    identifier, _, subject = head.partition("\n")
    # Where the state can't be told (too slow), claiming a clean tree would be the worse mistake.
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    branch = _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    return Commit(id=identifier, dirty=changes != "", branch=branch or None, subject=subject)


def _git(folder: str | os.PathLike[str], *arguments: str) -> str | None:
    """What a git command prints, without the last newline; None where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(folder)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").rstrip("\n")
