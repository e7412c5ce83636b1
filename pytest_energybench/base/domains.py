"""Names of domains as run files hold them: `gpu:0`, `ram`, `host 1/cpu:0`."""

from __future__ import annotations


def kind_of(domain: str) -> str:
    """What kind of part it is, whichever of them and on whatever host: `gpu` of `host 1/gpu:0`."""
    return domain.rpartition("/")[2].partition(":")[0]
