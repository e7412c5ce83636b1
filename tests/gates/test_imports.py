"""The house rule: gates and results know nothing of pytest, torch and hardware."""

import subprocess
import sys

import pytest

IMPORT_ALL = """
import importlib, pkgutil, sys
import pytest_energybench
package = importlib.import_module(sys.argv[1])
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{sys.argv[1]}.{module.name}")
print(*sorted(name for name in sys.modules))
"""


@pytest.mark.parametrize(
    ("package", "foreign"),
    [
        ("gates", {"pytest", "torch", "numpy", "scipy", "psutil", "pynvml"}),
        ("results", {"pytest", "torch", "numpy", "psutil", "pynvml", "pytest_energybench.gates"}),
    ],
)
def test_a_package_loads_nothing_of_the_rows_below_it(package, foreign):
    name = f"pytest_energybench.{package}"
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, name], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert name in loaded
    assert not foreign & loaded
    assert not {each for each in loaded if each.startswith("pytest_energybench.metering")}
