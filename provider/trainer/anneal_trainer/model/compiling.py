"""Compilation (torch.compile), where the steps to come repay the minutes that it takes."""

import torch
from torch import nn

from anneal_trainer.model.packing import causal_model

REPAID_AFTER = 500
"""Steps of a causal LM on a GPU that are surely worth a compilation."""


def compile_where_it_pays(
    model: nn.Module, steps: int, device: torch.device, *, deterministic: bool
) -> None:
    """Fuse what lies between the matrix products of a causal LM, on a GPU and for many steps.

    On a CPU it would need a compiler on the machine, and the same bits are promised there.
    """
    if device.type != "cuda" or deterministic or steps < REPAID_AFTER:
        return
    # What cannot be compiled runs as it is.
    torch._dynamo.config.suppress_errors = True
    causal_model(model).base_model.compile(dynamic=True)
