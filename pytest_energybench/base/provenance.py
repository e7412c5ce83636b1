"""How a figure came to be, in one word that follows it everywhere."""

from __future__ import annotations

from typing import Literal

Provenance = Literal["measured", "integrated", "estimated"]
"""`measured`: a hardware counter; `integrated`: sampled power; `estimated`: a model. The first can
be trusted most, the last least."""
