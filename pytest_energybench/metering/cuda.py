"""GPU work that was started but isn't done belongs to the window that started it."""

from __future__ import annotations

import sys


def finish_gpu_work() -> str | None:
    """Wait for the GPU work in flight, where torch is imported and uses CUDA already.

    Returns:
        Why it failed, in one line; None where it didn't. torch is never imported for this.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    cuda = getattr(torch, "cuda", None)  # missing while torch is being imported
    if cuda is None or not cuda.is_initialized():
        return None
    try:
        for device in range(cuda.device_count()):
            cuda.synchronize(device)
    except RuntimeError as error:
        return f"GPU work in flight failed: {str(error).splitlines()[0]}"
    return None
