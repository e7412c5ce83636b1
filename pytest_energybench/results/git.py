"""The commit a run is made at, as git tells it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from pytest_energybench.results.model import Commit

MAIN = ("main", "master")

_TIMEOUT_S = 5.0
_STATUS = ("status", "--porcelain", "--untracked-files=no")
_OF_A_BRANCH = re.compile(r"^refs/(?:heads|remotes/[^/]+)/")


def read_commit(
    folder: str | os.PathLike[str], storage: str | os.PathLike[str] | None = None
) -> Commit | None:
    """The commit of the working tree around `folder`; None without git, tree or commit.

    `dirty` looks at tracked files alone: reports and caches that git doesn't know change nothing
    about what was measured.

    Args:
        storage: folder of stored runs and the history, which earlier runs have written: they are
            no part of what is measured.
    """
    head = _git(folder, "log", "-1", "--no-show-signature", "--format=%H%n%s")
    if head is None:
        return None
    identifier, _, subject = head.partition("\n")
    # Where the state can't be told (too slow), claiming a clean tree would be the worse mistake.
    changes = _git(folder, *_STATUS)
    if changes and storage is not None:
        changes = _git(folder, *_STATUS, "--", ":/", *_but_runs_in(Path(storage), Path(folder)))
    branch = _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    branch = branch or _branch_with(identifier, folder)
    return Commit(id=identifier, dirty=changes != "", branch=branch, subject=subject)


def _but_runs_in(storage: Path, folder: Path) -> list[str]:
    """Pathspecs, as seen from `folder`, that leave out the runs in `storage`; none where that holds
    the code, too, or is on another drive."""
    if folder.is_relative_to(storage) or folder.anchor != storage.anchor:
        return []
    relative = Path(os.path.relpath(storage, folder)).as_posix()
    literal = re.sub(r"([\\*?\[])", r"\\\1", relative)
    return [f":(exclude,glob){literal}/*.{ending}" for ending in ("json", "jsonl")]


def _branch_with(commit: str, folder: str | os.PathLike[str]) -> str | None:
    """The branch that a detached head's commit is of, e.g. where a CI system has checked it out:
    `main` if that contains it, else the only one that ends there or contains it at all. None where
    git knows no such branch, or several."""
    everywhere = ("refs/heads", "refs/remotes")
    for asked in (  # the last one takes long where there are thousands
        *((f"--contains={commit}", f"refs/heads/{it}", f"refs/remotes/*/{it}") for it in MAIN),
        (f"--points-at={commit}", *everywhere),
        (f"--contains={commit}", *everywhere),
    ):
        listed = _git(folder, "for-each-ref", "--format=%(refname)", *asked) or ""
        names = {_OF_A_BRANCH.sub("", line) for line in listed.splitlines()} - {"HEAD"}
        if len(names) == 1:
            return names.pop()
    return None


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
