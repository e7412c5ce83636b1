"""A virtual environment for each tool, made by pip and weighed."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from pytest_energybench.exceptions import EnergyBenchError

LONGEST_ERROR = 120


class InstallError(EnergyBenchError):
    """pip could not install what was asked for; the message is its error's line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment without pip, in which nothing is but one tool and what it needs."""

    root: Path

    @classmethod
    def made(cls, root: Path, requirement: str, *, anew: bool = False) -> Environment:
        """The environment at `root`; made if it isn't there yet, or `anew`.

        Args:
            requirement: what pip installs: a name, a wheel, a folder.

        Raises:
            InstallError: pip has failed.
        """
        environment = cls(root)
        if anew or not environment._distributions():
            venv.create(root, with_pip=False, clear=True)
            environment.install(requirement)
        return environment

    def install(self, *requirements: str) -> None:
        """Have the pip of this interpreter install into the environment."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        command += ["--disable-pip-version-check", *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
            raise InstallError(last_line(errors[0] if errors else done.stderr))

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where packages are installed."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.root / "lib" / version / "site-packages"

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version, for everything installed."""
        return {each.metadata["Name"].lower(): each.version for each in self._distributions()}

    @property
    def size_mb(self) -> float:
        """What the packages take, compiled files included, in 10^6 bytes."""
        files = (path for path in self.packages.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files) / 1e6

    def _distributions(self) -> list[Distribution]:
        return list(distributions(path=[str(self.packages)]))


def last_line(text: str) -> str:
    """What a failed command said last, on one line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return (lines or ["no message"])[-1][:LONGEST_ERROR]
