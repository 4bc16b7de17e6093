"""Compilation (torch.compile), if the remaining steps are worth the minutes that it takes."""

import torch
from torch import nn

from anneal_trainer.model.packing import causal_model

REPAID_AFTER = 500
"""Minimum number of steps of a causal LM on a GPU for which compilation pays off."""


def compile_if_worthwhile(
    model: nn.Module, steps: int, device: torch.device, *, deterministic: bool
) -> None:
    """Fuse the operations between the matrix products of a causal LM, on a GPU and for many steps.

    On a CPU it would need a compiler on the machine, and would change the results, which are
    bit-for-bit reproducible there.
    """
    if device.type != "cuda" or deterministic or steps < REPAID_AFTER:
        return
    # Code that cannot be compiled runs as usual.
    torch._dynamo.config.suppress_errors = True
    causal_model(model).base_model.compile(dynamic=True)
