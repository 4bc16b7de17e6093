"""The memory of a training step, and the number of rows that fit into it.

What a pass keeps for the backward pass is measured on a few rows and extrapolated to the longest
ones; the rest follows from sizes of tensors. So what cannot fit is refused before the first step.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from anneal_trainer import ranks
from anneal_trainer.data.batch import Batch, Collate
from anneal_trainer.data.example import Examples
from anneal_trainer.errors import OutOfMemoryError, is_out_of_memory
from anneal_trainer.job import Hyperparameters
from anneal_trainer.loss.label import PIECE
from anneal_trainer.loss.score import score
from anneal_trainer.model.generation import base_of
from anneal_trainer.model.memory import FLOAT, MOMENTS, free_bytes, readable

LARGEST_BATCH_CPU = 8
LARGEST_BATCH_GPU = 64
RESERVE = {"cpu": 1.25, "cuda": 1.1}
"""Memory that allocators take, as a multiple of that of the tensors. That of a CPU keeps parts of
what was freed, the longer the more."""
BLOCK_GRADIENTS = 0.8
"""Gradients of a block's activations that exist at a time, as a share of those activations."""
HINT = "Lower batch_size or max_seq_length, train with lora, or choose a smaller model."


@dataclass(frozen=True)
class StepMemory:
    """The memory that a training step needs besides the weights, in bytes."""

    gradients: int
    """Of the weights that are trained."""
    optimizer: int
    """Its moments of those weights."""
    activations: int
    """What the forward pass keeps for the backward pass."""
    passing: int
    """What the backward pass needs besides, for a moment: logits, or a block that runs again."""

    @property
    def total(self) -> int:
        """At the peak; gradients come into being while activations are freed."""
        return self.optimizer + max(self.gradients, self.activations + self.passing)


@dataclass(frozen=True)
class Fit:
    """The rows per forward pass, and how their activations fit."""

    batch_size: int
    """Rows per forward pass."""
    checkpointing: bool
    """Whether activations are computed again in the backward pass instead of being kept (Chen et
    al. 2016, arXiv:1604.06174): less memory, the same results."""
    memory: StepMemory
    """Estimate of the memory."""


def find_batch_size(
    model: nn.Module,
    examples: Examples,
    parameters: Hyperparameters,
    collate: Collate,
    dtype: torch.dtype,
    device: torch.device,
) -> Fit:
    """Find the rows per forward pass: the requested number, or for "max" the largest that fits.

    Activations are only computed again if not even one row, or not the requested number, would fit
    otherwise. "max" tries a training step on the longest rows and discards it. Raises
    OutOfMemoryError if nothing fits. The model is left as the result says.
    """
    wanted = parameters.batch_size
    cap = LARGEST_BATCH_GPU if device.type == "cuda" else LARGEST_BATCH_CPU
    most = min(cap if wanted == "max" else wanted, len(examples))
    least = 1 if wanted == "max" else most
    sizes = examples.sizes
    longest_first = sorted(range(len(sizes)), key=lambda number: -sizes[number])
    longest = [examples[number] for number in longest_first[:most]]
    meter = _Meter(model, examples, collate, dtype)
    weights = [value for value in model.parameters() if value.requires_grad]
    trained = sum(ranks.local(value).numel() for value in weights)
    moments = trained * MOMENTS[parameters.optimizer]
    # A rank that runs out of memory amid an exchange with the others would not answer them.
    may_try = wanted == "max" and not ranks.is_sharded(model)
    for checkpointing in (False, True) if _can_recompute(model) else (False,):
        recompute(model, on=checkpointing)
        size = most
        while size >= least:
            batch = collate(longest[:size])
            memory = meter.estimate(batch, trained * FLOAT, moments, checkpointing=checkpointing)
            needed, free = int(memory.total * RESERVE[device.type]), free_bytes(device)
            # All ranks decide alike, because measuring may be an exchange between them.
            fits = not ranks.any_of(needed > free)
            if fits and (
                not may_try or not ranks.any_of(not _try_step(model, batch, dtype, moments))
            ):
                return Fit(size, checkpointing, memory)
            if size == least:
                break
            size = max(least, size // 2)
    rows = "1 row" if size == 1 else f"{size} rows"
    outcome = "did not fit when tried" if fits else "cannot fit"
    raise OutOfMemoryError(
        f"The longest {rows} with {batch.tokens} tokens {outcome}: a step needs about "
        f"{readable(needed)} besides the weights, and {readable(free)} are free.",
        HINT,
    )


def recompute(model: nn.Module, *, on: bool) -> None:
    """Compute activations again in the backward pass, or keep them."""
    base: Any = base_of(ranks.inner(model))
    if on:
        base.gradient_checkpointing_enable({"use_reentrant": False})
    elif _can_recompute(model):
        base.gradient_checkpointing_disable()


def _can_recompute(model: nn.Module) -> bool:
    return bool(getattr(base_of(ranks.inner(model)), "supports_gradient_checkpointing", False))


class _Meter:
    """Measures what a pass keeps, on rows of at most half the maximum length, and extrapolates."""

    def __init__(
        self, model: nn.Module, examples: Examples, collate: Collate, dtype: torch.dtype
    ) -> None:
        self._model, self._dtype = model, dtype
        self._base: Any = base_of(ranks.inner(model))
        sizes = examples.sizes
        order = sorted(range(len(sizes)), key=sizes.__getitem__)
        short, half = order[0], max(sizes) / 2
        medium = min(order, key=lambda number: abs(sizes[number] - half))
        chosen = ([short], [short, short], [medium])
        self._probes = [collate([examples[number] for number in numbers]) for numbers in chosen]

    def estimate(
        self, batch: Batch, gradients: int, moments: int, *, checkpointing: bool
    ) -> StepMemory:
        """Estimate the memory of a step on a batch, given the bytes of gradients and moments."""
        activations, passing = self._kept(batch), self._logits(batch)
        if checkpointing:
            recompute(self._model, on=False)
            blocks = getattr(self._base.config, "num_hidden_layers", 1)
            block = (self._kept(batch) - activations) / blocks
            passing = max(passing, int(block * (1 + BLOCK_GRADIENTS)))
            recompute(self._model, on=True)
        return StepMemory(gradients, moments, activations, passing)

    def _kept(self, batch: Batch) -> int:
        """Bytes kept for the backward pass: constant + linear · slots + square · slots · length.

        Slots are tokens with padding. There is a square if attention keeps its scores.
        """
        one, two, medium = (_kept(self._model, probe, self._dtype) for probe in self._probes)
        (_, short_length), _, (slots, length) = map(_extent, self._probes)
        constant = max(0, 2 * one - two)
        linear, square = (two - one) / short_length, 0.0
        if length >= 2 * short_length:
            mean = (medium - constant) / slots
            square = max(0.0, (mean - linear) / (length - short_length))
            linear = mean - square * length
        slots, length = _extent(batch)
        return int(constant + linear * slots + square * slots * length)

    def _logits(self, batch: Batch) -> int:
        """Bytes of logits and their gradients that are not kept: those of a piece if packed."""
        head = getattr(self._base, "get_output_embeddings", lambda: None)()
        if head is None or not len(batch.columns):
            return 0
        words = int(head.weight.shape[0])
        if batch.documents is not None:
            return min(len(batch.columns) * words, max(PIECE, words)) * self._dtype.itemsize
        return 2 * len(batch.ids) * len(batch.columns) * words * FLOAT


def _extent(batch: Batch) -> tuple[int, int]:
    """Tokens of a batch with padding, and the length of its longest row."""
    lengths = batch.documents.lengths if batch.documents else (batch.ids.shape[1],)
    return batch.ids.numel(), max(lengths)


def _kept(model: nn.Module, batch: Batch, dtype: torch.dtype) -> int:
    """Bytes that a forward pass keeps for the backward pass, without those of the weights."""
    sizes: dict[int, int] = {}
    weights = {ranks.local(weight).untyped_storage()._cdata for weight in model.parameters()}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            sizes[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = score(model, batch, dtype)
    del result
    return sum(sizes.values())


def _try_step(model: nn.Module, batch: Batch, dtype: torch.dtype, moments: int) -> bool:
    """Run a training step and discard it; return whether the memory was enough."""
    try:
        # In place of the optimizer's moments, which only exist after the first step.
        placeholder = torch.empty(moments, dtype=torch.uint8, device=batch.ids.device)
        score(model, batch, dtype).loss.backward()  # type: ignore[no-untyped-call]
        del placeholder
        return True
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        model.zero_grad(set_to_none=True)
