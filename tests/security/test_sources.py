"""What the project's own code must not do, read from its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("pytest_energybench", "bench_cases", "examples")
    for path in (ROOT / folder).rglob("*.py")
)

FORBIDDEN = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "marshal.loads",
    "shelve.open",
    "joblib.load",
    "yaml.load",
    "yaml.unsafe_load",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "tempfile.mktemp",
    "numpy.load",
    "np.load",
}
"""Calls that run text, or unpickle, or whose file name another process may take first."""


TYPED = {
    "pytest_energybench/cli/run.py": ["shell"],
    "pytest_energybench/measurement/command.py": ["shell"],
}
"""`energybench run --shell` runs the text that its user typed there, and no other."""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def faults(source: str) -> list[str]:
    """What is wrong with a source, as `line: what`."""
    found = []
    for name, call in calls(ast.parse(source)):
        words = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name in FORBIDDEN:
            found.append(f"{call.lineno}: {name}")
        if name == "torch.load" and words.get("weights_only") != "True":
            found.append(f"{call.lineno}: torch.load without weights_only=True")
        if words.get("allow_pickle", "False") != "False":
            found.append(f"{call.lineno}: allow_pickle")
        if words.get("shell", "False") != "False":
            found.append(f"{call.lineno}: shell")
        if name.endswith("Environment") and words.get("autoescape") == "False":
            found.append(f"{call.lineno}: a page without escaping")
        if name.endswith(".get_state_dict") and words.get("check_hash") != "True":
            found.append(f"{call.lineno}: downloaded weights whose hash isn't checked")
    return found


def test_no_file_is_unpickled_and_no_text_is_run() -> None:
    assert len(FILES) > 100
    found = {str(path.relative_to(ROOT)): faults(path.read_text("utf-8")) for path in FILES}
    wrong = {
        name: [each.partition(": ")[2] for each in what] for name, what in found.items() if what
    }
    assert wrong == TYPED


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "torch.load(file, weights_only=flag)",
        "np.load(file, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "pickle.load(file)",
        "eval(text)",
        "Environment(autoescape=False)",
        "weights.get_state_dict(progress=False)",
    ],
)
def test_this_is_noticed(source: str) -> None:
    assert faults(source)


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(file, map_location='cpu', weights_only=True)",
        "subprocess.run(['git', '-C', folder])",
        "model.eval()",
        "weights.get_state_dict(progress=False, check_hash=True)",
    ],
)
def test_this_is_allowed(source: str) -> None:
    assert faults(source) == []
