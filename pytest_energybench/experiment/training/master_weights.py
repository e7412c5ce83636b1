"""Training in a narrow type from float32 master weights.

The model holds and computes in the narrow type. The optimizer changes float32 masters, and after
each step the model gets a rounded copy of them. Autocast is no substitute: it keeps float32 weights
and casts all of them in every step (docs/design-notes.md, Narrow training). Small weights of a kind
lie in one flat buffer, large ones each in another, and all are updated in pieces that fit the
cache.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.errors import DivergedError
from pytest_energybench.experiment.training.optimizers import state_bytes

Grid = Callable[[Tensor, Tensor], None]
"""`grid(source, out)` rounds float32 `source` (n,) into float32 `out` (n,), another tensor."""

OptimizerOf = Callable[[list[Tensor]], torch.optim.Optimizer]
"""Makes the optimizer of some weights (each (n,) float32, its gradient in `.grad`)."""

PIECE = {"cpu": 1 << 20, "cuda": 1 << 26}
"""Weights handled at a time. CPU: a piece of each operand stays in cache while it is converted,
updated and rounded. CUDA: few launches matter more."""

CHECK_EVERY = 16
"""Steps between checks that masters are numbers: rounding bits could hide a NaN, but once in the
masters it stays there."""

NORMALISATIONS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


class MasterWeights:
    """The updater of a model that runs in a narrow type; see the module's text.

    Normalisation layers stay float32 where the kernels take a narrow input with them; everything
    else becomes `dtype`, but for what is no real number. Weights named in `on_grid` pass through
    `grid` on their way from the masters to the model, now and after every step, so the model never
    sees another value. Frozen ones take this way once and have no masters.
    """

    def __init__(
        self,
        model: nn.Module,
        dtype: torch.dtype,
        optimizer: OptimizerOf,
        *,
        grid: Grid | None = None,
        on_grid: Collection[str] = (),
        keep_masters: bool = True,
        scaler: LossScaler | None = None,
    ) -> None:
        """Convert `model` (float32) in place and bind to its weights.

        `keep_masters=False` is the naive way, kept to show what it does: the rounded weights are
        written back and the next step starts from them. `scaler` is needed with float16.
        """
        self._scaler = scaler
        self._steps = 0
        self._dirty = False
        piece = PIECE.get(next(model.parameters()).device.type, PIECE["cpu"])
        groups: dict[tuple[torch.dtype, bool, str], list[_Place]] = {}
        tied: dict[nn.Parameter, list[_Place]] = {}
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                tied.setdefault(parameter, []).append((module, name, parameter))
        paths = {module: path for path, module in model.named_modules()}
        for parameter, places in tied.items():
            names = [f"{paths[m]}.{name}" if paths[m] else name for m, name, _ in places]
            kind = torch.float32 if _stays_float32(places[0][0]) else dtype
            gridded = grid is not None and not {*on_grid}.isdisjoint(names)
            if not parameter.requires_grad:
                _convert(places[0], kind, grid if gridded else None)
                continue
            key = kind, gridded, names[0] if parameter.numel() > piece else ""
            groups.setdefault(key, []).append(places[0])
        self._flats = [
            _Flat(places, kind, grid if gridded else None, optimizer, keep_masters, piece)
            for (kind, gridded, _), places in groups.items()
        ]
        self._tied = [places for places in tied.values() if len(places) > 1]
        self._tie()

    def zero(self) -> None:
        if self._dirty:
            for flat in self._flats:
                flat.gradient.zero_()
            self._dirty = False

    def backward(self, loss: Tensor) -> None:
        self._dirty = True
        scaled = loss if self._scaler is None else loss * self._scaler.scale
        scaled.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        factor = 1.0
        if self._scaler is not None:
            factor = 1 / self._scaler.scale
            if not self._scaler.accept([flat.gradient for flat in self._flats]):
                return
        for flat in self._flats:
            flat.update(factor)
        self._dirty = False
        self._steps += 1
        if self._steps % CHECK_EVERY == 0:
            self.check()

    def set_learning_rate(self, rate: float) -> None:
        """Take the next steps with this learning rate."""
        for flat in self._flats:
            flat.set_learning_rate(rate)

    def check(self) -> None:
        """Raise DivergedError when a master weight is no number."""
        if not all(bool(torch.isfinite(flat.master.sum())) for flat in self._flats):
            raise DivergedError("a weight is no longer a number: the training diverged")

    def release(self) -> None:
        """End the training: check once more, give every weight its own memory, drop the rest."""
        self.check()
        for flat in self._flats:
            flat.release()
        self._flats = []
        self._tie()

    @property
    def state_bytes(self) -> int:
        """Bytes that the optimizers keep, and those of the masters where the model has others."""
        return sum(flat.state_bytes for flat in self._flats)

    def _tie(self) -> None:
        """Give the weights that several modules share to all of them, not to the first alone."""
        for (first, name, _), *others in self._tied:
            for module, other, _ in others:
                setattr(module, other, getattr(first, name))


class LossScaler:
    """Keeps float16 gradients off zero and infinity: scale the loss up, skip a step that overflows.

    Rule and constants are those of `torch.amp.GradScaler`, which does not take float16 gradients.
    """

    def __init__(self, scale: float = 2.0**16, growth_interval: int = 2000) -> None:
        self.scale = scale
        self._growth_interval = growth_interval
        self._good = 0

    def accept(self, gradients: Collection[Tensor]) -> bool:
        """Whether all gradients are finite; adapts the scale for the next step."""
        if all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
            self._good += 1
            if self._good % self._growth_interval == 0:
                self.scale *= 2
            return True
        self.scale /= 2
        self._good = 0
        if self.scale < 2.0**-16:
            raise DivergedError("no loss scale keeps the float16 gradients finite: diverged")
        return False


_Place = tuple[nn.Module, str, nn.Parameter]
"""A module, the name of one of its parameters, and that."""


class _Flat:
    """Parameters of one kind in flat buffers: float32 masters, and what the model computes with.

    Both are the same memory where the model computes in float32 off the grid.
    """

    def __init__(
        self,
        places: list[_Place],
        dtype: torch.dtype,
        grid: Grid | None,
        optimizer: OptimizerOf,
        keep_masters: bool,
        piece: int,
    ) -> None:
        device = places[0][2].device
        size = sum(parameter.numel() for _, _, parameter in places)
        self.master = torch.empty(size, device=device)
        shared = dtype == torch.float32 and grid is None
        self._work = self.master if shared else torch.empty(size, dtype=dtype, device=device)
        self.gradient = torch.zeros(size, dtype=dtype, device=device)
        self._grid = grid
        self._keep_masters = keep_masters
        piece = min(size, piece)
        self._pieces = [slice(i, min(i + piece, size)) for i in range(0, size, piece)]
        self._scratch = torch.empty(piece, device=device)
        self._optimizers = []
        for each in self._pieces:
            weights = self.master[each]
            weights.grad = self._scratch[: len(weights)]
            self._optimizers.append(optimizer([weights]))
        self._places = [(module, name) for module, name, _ in places]
        begin = 0
        for module, name, parameter in places:
            shape, stride = parameter.shape, _dense_stride(parameter)
            with torch.no_grad():
                self.master.as_strided(shape, stride, begin).copy_(parameter)
            narrow = nn.Parameter(self._work.as_strided(shape, stride, begin))
            narrow.grad = self.gradient.as_strided(shape, stride, begin)
            setattr(module, name, narrow)
            begin += parameter.numel()
        with torch.no_grad():
            for piece_ in self._pieces:
                self._refresh(piece_)

    @torch.no_grad()
    def update(self, factor: float) -> None:
        """Take a step and zero the gradient while it is still in the cache."""
        for piece, optimizer in zip(self._pieces, self._optimizers, strict=True):
            gradient = self._scratch[: piece.stop - piece.start]
            gradient.copy_(self.gradient[piece])
            self.gradient[piece].zero_()
            if factor != 1.0:
                gradient.mul_(factor)
            optimizer.step()
            self._refresh(piece)

    @property
    def state_bytes(self) -> int:
        kept = 0 if self._work is self.master else self.master.numel() * 4
        return kept + state_bytes(self._optimizers)

    def set_learning_rate(self, rate: float) -> None:
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _refresh(self, piece: slice) -> None:
        """Bring the model's copy of one piece up to date with its masters."""
        if self._grid is not None:
            rounded = self._scratch[: piece.stop - piece.start]
            self._grid(self.master[piece], rounded)
            self._work[piece].copy_(rounded)
            if not self._keep_masters:
                self.master[piece].copy_(rounded)
        elif self._work is not self.master:
            self._work[piece].copy_(self.master[piece])

    def release(self) -> None:
        for module, name in self._places:
            parameter = getattr(module, name)
            own = parameter.detach()
            if len(self._places) > 1:
                own = own.clone(memory_format=torch.preserve_format)
            setattr(module, name, nn.Parameter(own))


def _convert(place: _Place, dtype: torch.dtype, grid: Grid | None) -> None:
    """Put a frozen parameter into its type, on the grid where there is one."""
    module, name, parameter = place
    if not parameter.is_floating_point():
        return
    source = parameter.detach()
    if grid is not None:
        rounded = torch.empty_like(source)
        grid(source, rounded)
        source = rounded
    setattr(module, name, nn.Parameter(source.to(dtype), requires_grad=False))


def _stays_float32(module: nn.Module) -> bool:
    """Whether the module's weights stay float32 beside narrow inputs.

    torch's batch normalisation mixes the types on every device, its layer normalisation only on
    CPUs. What mixes keeps its weights, as they are few and their type costs no time.
    """
    if isinstance(module, nn.LayerNorm | nn.GroupNorm):
        return all(parameter.device.type == "cpu" for parameter in module.parameters())
    return isinstance(module, NORMALISATIONS)


def _dense_stride(parameter: Tensor) -> tuple[int, ...]:
    """The strides of the parameter without gaps, in its own order of dimensions."""
    return torch.empty_like(parameter, memory_format=torch.preserve_format).stride()
