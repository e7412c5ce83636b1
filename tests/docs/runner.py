"""As much of GitHub's runner as a composite action needs: expressions, outputs, a cache, `gh`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

GH = r"""#!{python}
# Answers what the actions ask GitHub, from `answers.json`, and writes down what they change.
import json, os, sys
words, here = sys.argv[1:], {here!r}
answers = json.load(open(os.path.join(here, "answers.json")))
assert words[0] == "api" and os.environ["GH_TOKEN"]
path = next(word for word in words if word.startswith("repos/"))
method = words[words.index("--method") + 1] if "--method" in words else "GET"
if answers.get("refuses"):
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
if path.endswith("/pulls"):
    assert f"head={{answers['head']}}" in words
    found = [pull for pull in answers["pulls"] if pull["sha"] == os.environ["SHA"]]
    print(*(pull["number"] for pull in found), sep="\n")
elif method == "GET":
    for comment in answers["comments"]:
        if comment["login"] == "github-actions[bot]":
            if comment["body"].startswith(os.environ["MARKER"]):
                print(comment["id"])
else:
    (body,) = (word for word in words if word.startswith("body=@"))
    with open(os.path.join(here, "changes.jsonl"), "a") as out:
        text = open(body.removeprefix("body=@")).read()
        out.write(json.dumps([method, path, text]) + "\n")
"""


PYTHON = """#!/bin/sh
[ "$2" = pip ] || exec {python} "$@"
echo "$4" > {here}/installed # what is installed already
"""


class Runner:
    """A machine with a checkout, on which the steps of an action run.

    Attributes:
        ran: names of the steps that did.
        cache: key -> what was kept.
        output: everything that steps printed.
        installed: what pip was last asked for.
        temp: the runner's folder beside the checkout.
    """

    def __init__(self, checkout: Path, action: Path) -> None:
        self.checkout = checkout
        self.action = action
        self.cache: dict[str, Path] = {}
        self.ran: list[str] = []
        self.output = ""
        self.temp = checkout.parent / "temp"
        self.temp.mkdir(exist_ok=True)
        self.answers: dict[str, Any] = {"comments": []}
        bin_ = checkout.parent / "bin"
        bin_.mkdir(exist_ok=True)
        here = str(checkout.parent)
        for name, text in (
            ("pip", "#!/bin/sh\n"),  # everything is installed already
            ("gh", GH.format(python=sys.executable, here=here)),
            ("python", PYTHON.format(python=sys.executable, here=here)),
        ):
            (bin_ / name).write_text(text)
            (bin_ / name).chmod(0o755)

    def job(self, github: Mapping[str, Any], **inputs: str) -> bool:
        """Whether the action succeeds."""
        (self.checkout.parent / "answers.json").write_text(json.dumps(self.answers))
        action = yaml.safe_load((self.action / "action.yml").read_text("utf-8"))
        given = {name: each.get("default", "") for name, each in action["inputs"].items()}
        given |= {name.replace("_", "-"): text for name, text in inputs.items()}
        context: dict[str, Any] = {
            "github": {"repository": "o/r", "token": "t", **github},
            "inputs": given,
            "runner": {"temp": str(self.temp)},
            "steps": {},
        }
        self.ran, self.output, ok = [], "", True
        for step in action["runs"]["steps"]:
            condition = str(step.get("if", "True"))
            if not (ok or "always()" in condition) or not evaluate(condition, context):
                continue
            self.ran.append(step["name"])
            found: dict[str, str] = {}
            may_fail = "download-artifact" in step.get("uses", "")
            assert may_fail or "continue-on-error" not in step, "it would hide what is not known"
            if "run" in step:
                assert "${{" not in step["run"], "what comes from outside reaches a shell by env"
                env = {name: fill(str(v), context) for name, v in step.get("env", {}).items()}
                passed, found = self._run(step["run"], env)
                ok &= passed
            elif "cache/" in step["uses"]:
                key = fill(step["with"]["key"], context)
                found = self._cache(step["uses"], key, self.checkout / step["with"]["path"])
            context["steps"][step.get("id", "")] = {"outputs": found}
        return ok

    @property
    def installed(self) -> str:
        return (self.checkout.parent / "installed").read_text().strip()

    def changes(self) -> list[tuple[str, str, str]]:
        """Method, path and text of each change that GitHub was asked for."""
        path = self.checkout.parent / "changes.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def _run(self, script: str, env: Mapping[str, str]) -> tuple[bool, dict[str, str]]:
        output = self.checkout.parent / "output"
        output.write_text("")
        path = [self.checkout.parent / "bin", Path(sys.executable).parent, os.environ["PATH"]]
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.checkout,
            env={
                "PATH": os.pathsep.join(map(str, path)),
                "HOME": str(self.checkout.parent),
                "PYTHONPATH": f"{Path(__file__).parent / 'support'}{os.pathsep}{Path.cwd()}",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTEST_PLUGINS": "pytest_energybench.plugin,docs_meter",
                "GITHUB_ACTION_PATH": str(self.action),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_WORKSPACE": str(self.checkout),
                "RUNNER_TEMP": str(self.temp),
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.output += done.stdout + done.stderr
        print(script, done.stdout, done.stderr, sep="\n")
        pairs = (line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode == 0, dict(pairs)

    def _cache(self, action: str, key: str, path: Path) -> dict[str, str]:
        if "/save@" in action:
            self.cache[key] = path.rename(path.with_name("cached"))
        elif key in self.cache:
            self.cache[key].rename(path)
            return {"cache-hit": "true"}
        return {}


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """An expression of a workflow: names are looked up, operators are Python's."""
    expression = expression.removeprefix("${{").removesuffix("}}")
    for theirs, ours in {"&&": " and ", "||": " or ", "always()": "True"}.items():
        expression = expression.replace(theirs, ours)
    expression = re.sub(r"contains\(([^,]+), ([^)]+)\)", r"(\2 in \1)", expression)
    name = r"\b(?:github|inputs|runner|steps)\.[\w.*-]+"
    expression = re.sub(name, lambda found: repr(_value(found[0], context)), expression)
    return eval(expression.strip(), {"__builtins__": {}})  # its operands are quoted above


def _value(name: str, context: Any) -> Any:
    for part in name.removesuffix(".*.name").split("."):
        context = context.get(part, "") if isinstance(context, Mapping) else ""
    return context


def fill(text: str, context: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        made = evaluate(found[0], context)
        return str(made).lower() if isinstance(made, bool) else str(made)

    return re.sub(r"\$\{\{ .*? \}\}", value, text)
