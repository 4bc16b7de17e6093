"""Cross-entropy over a large vocabulary, computed in chunks of positions.

The logits of a long batch are by far its largest tensor: 4,096 positions times 151,936 words take
2.5 GB, and their gradient as much again. Here only one chunk of them exists at a time, and each
chunk is immediately turned into the gradients of its inputs.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from anneal_trainer.model.matrix_format import product_format

PIECE = 1 << 26
"""Logits that exist at a time: 128 MiB in bfloat16. With fewer, adding to the vocabulary's gradient
once per chunk would be most of the work."""
BLOCKS = {"cpu": 1 << 19, "cuda": 1 << 24}
"""Logits that are turned into their gradient at a time: 2 MiB of 32-bit floats fit a CPU's cache,
64 MiB keep a GPU busy."""


def label_loss(
    states: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of `states @ weight.T + bias` against targets: its sum in nats, and the hits.

    states (positions, width), targets (positions,) int64, weight (words, width), bias (words,) or
    None. A hit is a target that was the most likely word, int64. Under autocast matrices are
    multiplied in its number format; everything else is computed in 32-bit floats.
    """
    arguments = (states, targets, weight, bias, torch.is_grad_enabled())
    loss, hits = _LabelLoss.apply(*arguments)  # type: ignore[no-untyped-call]
    return loss, hits


def log_probabilities(
    states: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """Log-probability in nats of each target in `states @ weight.T + bias`, (positions,).

    Shapes and formats as for label_loss. What the slope of a logit is shows only after all of
    them, so the backward pass computes each chunk of them again.
    """
    factors = weight.to(product_format(states))
    size = PIECE // weight.shape[0]
    with torch.autocast(states.device.type, enabled=False):
        parts = [
            checkpoint(
                *(_log_probabilities, states[place], targets[place], factors, bias),
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for place in _slices(len(states), size)
        ]
    # Without targets there are no chunks.
    return torch.cat([states.new_empty(0, dtype=torch.float32), *parts])


def _log_probabilities(
    states: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    logits = (states.to(weight.dtype) @ weight.T).float()
    if bias is not None:
        logits = logits + bias
    return -functional.cross_entropy(logits, targets, reduction="none")


class _LabelLoss(Function):
    """Computes the gradients with the loss: the logits are freed before the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        states: Tensor,
        targets: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        with_gradients: bool,
    ) -> tuple[Tensor, Tensor]:
        for_states, _, for_weight, for_bias, _ = (
            needed and with_gradients for needed in ctx.needs_input_grad
        )
        number = product_format(states)
        factors = weight.to(number)
        states_grad = torch.empty_like(states) if for_states else None
        weight_grad = torch.zeros_like(weight) if for_weight else None
        bias_grad = torch.zeros_like(bias) if for_bias and bias is not None else None
        loss = torch.zeros((), device=states.device)
        hits = torch.zeros((), dtype=torch.int64, device=states.device)
        with torch.autocast(states.device.type, enabled=False):
            for place in _slices(len(states), PIECE // weight.shape[0]):
                piece = states[place].to(number)
                logits = piece @ factors.T
                loss_here, hits_here = _into_gradient(logits, targets[place], bias, bias_grad)
                loss += loss_here
                hits += hits_here
                if states_grad is not None:
                    states_grad[place] = logits @ factors
                if weight_grad is not None:
                    weight_grad += logits.T @ piece
        ctx.save_for_backward(states_grad, weight_grad, bias_grad)
        ctx.mark_non_differentiable(hits)
        return loss, hits

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        loss_grad: Tensor,
        _: Tensor,
    ) -> tuple[Tensor | None, ...]:
        states, weight, bias = (
            None if grad is None else grad * loss_grad for grad in ctx.saved_tensors
        )
        return states, None, weight, bias, None


def _into_gradient(
    logits: Tensor, targets: Tensor, bias: Tensor | None, bias_grad: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Turn logits without bias into the gradient of the loss, in place; return loss and hits.

    d loss / d logits is the probability of each word, minus one for the target.
    """
    loss = torch.zeros((), device=logits.device)
    hits = torch.zeros((), dtype=torch.int64, device=logits.device)
    for place in _slices(len(logits), BLOCKS[logits.device.type] // logits.shape[1]):
        wanted = targets[place].unsqueeze(1)
        block = logits[place].float()
        if bias is not None:
            block = block + bias
        hits += (block.argmax(-1, keepdim=True) == wanted).sum()
        gains = block.log_softmax(-1)
        chosen = gains.gather(1, wanted)
        loss -= chosen.sum()
        slope = gains.exp_().scatter_(1, wanted, chosen.exp() - 1)
        if bias_grad is not None:
            bias_grad += slope.sum(0)
        logits[place] = slope
    return loss, hits


def _slices(length: int, size: int) -> Iterator[slice]:
    """Cut a length into slices of at least one row."""
    step = max(1, size)
    return (slice(start, start + step) for start in range(0, length, step))
