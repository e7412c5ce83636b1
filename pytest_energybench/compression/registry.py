"""Methods by name. A new one is one file with a `Method` in it and one line here, or `register`."""

from __future__ import annotations

from pytest_energybench.compression.baseline import baseline
from pytest_energybench.compression.plan import Method, Plan, Task
from pytest_energybench.compression.steganographic import Steganographic
from pytest_energybench.training.errors import SettingError

_METHODS: dict[str, Method] = {
    "baseline": baseline,
    "steganographic": Steganographic(),
    "naive-truncation": Steganographic(rounding="truncate", masters=False),
}


def names() -> tuple[str, ...]:
    """All registered names."""
    return tuple(_METHODS)


def register(name: str, method: Method) -> None:
    """Add a method of your own; raises SettingError when the name is taken or holds a `+`."""
    if "+" in name or name in _METHODS:
        raise SettingError(f"method name {name!r} is taken or holds a '+': choose another one")
    _METHODS[name] = method


def method(name: str) -> Method:
    """The method of this name; `a+b` applies b after a.

    Raises SettingError naming the methods there are.
    """
    parts = name.split("+")
    for part in parts:
        if part not in _METHODS:
            raise SettingError(f"unknown method {part!r}: choose from {', '.join(_METHODS)}")
    if len(parts) == 1:
        return _METHODS[name]

    def combined(plan: Plan, task: Task) -> Plan:
        for part in parts:
            plan = _METHODS[part](plan, task)
        return plan

    return combined
