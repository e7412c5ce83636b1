"""What a joule was spent in, `gpu:0`, `ram` or `host 1/cpu:0`, and how its figure came to be."""

from __future__ import annotations

from typing import Literal

Provenance = Literal["measured", "integrated", "estimated"]
"""`measured`: a hardware counter; `integrated`: sampled power; `estimated`: a model. The first can
be trusted most, the last least."""


def kind_of(domain: str) -> str:
    """What kind of part it is, whichever of them and on whatever host: `gpu` of `host 1/gpu:0`."""
    return domain.rpartition("/")[2].partition(":")[0]
