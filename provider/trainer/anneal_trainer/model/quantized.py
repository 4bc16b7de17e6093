"""Weights in 4 bits, and moments of the optimizer in 8, by bitsandbytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from anneal_trainer.errors import UnexpectedError


def nf4_config() -> Any:  # noqa: ANN401
    """Return how frozen matrices are quantized: NF4 in blocks (Dettmers et al. 2023).

    arXiv:2305.14314, with its double quantization. The vocabulary's matrices and everything that is
    not a matrix keep their format. Products are computed in the format of the other layers.
    """
    _require()
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )


def settle_layers(model: nn.Module) -> None:
    """Let quantized layers compute alike, whatever they are used for first.

    Otherwise evaluation on a CPU would turn their weights into a form that cannot be trained on,
    and the first input would decide the format of products, which is autocast's to choose.
    """
    module: Any
    for module in model.modules():
        if hasattr(module, "compute_type_is_set"):
            module.compute_type_is_set = True
            module.support_avx512bf16_for_cpu = False


def make_8bit_adamw(
    groups: Sequence[Mapping[str, Any]], learning_rate: float
) -> torch.optim.Optimizer:
    """Return AdamW with moments in 8 bits, but for weights of less than 4,096 numbers."""
    _require()
    from bitsandbytes.optim.adamw import AdamW8bit

    optimizer: torch.optim.Optimizer = AdamW8bit(  # type: ignore[no-untyped-call]
        list(groups), lr=learning_rate
    )
    return optimizer


def _require() -> None:
    """Raise UnexpectedError if the provider has not installed the library."""
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise UnexpectedError(
            f"bitsandbytes cannot be loaded on this machine: {error}.",
            "Install the trainer's requirements again.",
        ) from error
