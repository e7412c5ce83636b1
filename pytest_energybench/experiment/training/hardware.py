"""What a training computes with: its device and the number formats that are native there, and all
seeds; the user's own random state stays unchanged."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from pytest_energybench.experiment.training.errors import SettingError

CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Names that /proc/cpuinfo has for bfloat16 arithmetic: x86 AVX-512 and AMX, Arm."""


def choose_device(name: str) -> torch.device:
    """The device `auto`, `cpu`, `cuda` or `cuda:N`; auto is the first GPU, else the CPU.

    Raises SettingError when there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise SettingError(f"unknown device {name!r}: choose one of auto, cpu, cuda, cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingError(f"no device {name!r} here: torch sees {torch.cuda.device_count()} GPUs")
    return device


def place(model: nn.Module, device: torch.device | None = None) -> nn.Module:
    """`model`, moved to `device` in place, its images and kernels with channels last.

    Kernels of three dimensions stay as they are: torch has another order for those.
    """
    if device is not None:
        model.to(device)
    for tensor in chain(model.parameters(), model.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return model


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is native there: compute capability 8.0 and more, or a CPU with it."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return _cpu_has_bfloat16()


@cache
def _cpu_has_bfloat16() -> bool:
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return not CPU_FLAGS.isdisjoint(value.split())
    return False


def float32_arithmetic(device: torch.device) -> dict[str, bool | str]:
    """How exactly float32 is computed with.

    `float32_matmul_precision` is PyTorch's own setting. On CUDA, whether matrix products and
    convolutions run in TF32, which has ten bits of mantissa (PyTorch's note "CUDA semantics"); on
    other devices, what oneDNN may use instead (its guide "Floating-point Math Mode").
    """
    precision = {"float32_matmul_precision": torch.get_float32_matmul_precision()}
    if device.type != "cuda":
        return {
            **precision,
            "onednn_fpmath_mode": os.environ.get("ONEDNN_DEFAULT_FPMATH_MODE", "STRICT").upper(),
        }
    return {
        **precision,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
    }


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators (dropout and initialisation use them), then restore them.

    On CUDA also asks cuDNN for kernels that give the same sums each time.
    """
    cuda = device.type == "cuda"
    devices = [device.index or 0] if cuda else []
    deterministic = torch.backends.cudnn.deterministic
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        torch.backends.cudnn.deterministic = cuda or deterministic
        try:
            yield
        finally:
            torch.backends.cudnn.deterministic = deterministic


def generator(seed: int) -> torch.Generator:
    """A separate generator for the order of the data. It does not depend on dropout or on how many
    random numbers a model's layers draw, so a baseline and its method see the same images."""
    return torch.Generator().manual_seed(seed)
