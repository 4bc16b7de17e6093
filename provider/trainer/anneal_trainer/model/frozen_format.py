"""The number format of frozen weights: that of the base model's files, half the memory of 32 bits.

Only matrices stay in it that are multiplied in the same format anyway, and embeddings, whose rows
are looked up. So every result is the same to the last bit as with weights of 32-bit floats; only
the grouped products of experts are rounded otherwise.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def widen_the_rest(model: nn.Module) -> None:
    """Turn what is trained, or is not a matrix of a product, into 32-bit floats.

    Embeddings return 32-bit floats, so that the sums of all layers are of that format.
    """
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if _is_narrow(parameter) and (
                parameter.requires_grad or not _is_multiplied(module, parameter)
            ):
                parameter.data = parameter.data.float()
        if isinstance(module, nn.Embedding):
            module.register_forward_hook(_widen_output)


def narrow_format(model: nn.Module) -> torch.dtype | None:
    """Return the format of weights that are not 32-bit floats, None if all are."""
    return next((weight.dtype for weight in model.parameters() if _is_narrow(weight)), None)


def widen(model: nn.Module) -> None:
    """Turn all weights into 32-bit floats, for a model whose products are not of another format."""
    for parameter in model.parameters():
        if _is_narrow(parameter):
            parameter.data = parameter.data.float()


@contextmanager
def in_full_precision(model: nn.Module) -> Iterator[None]:
    """Multiply in 32-bit floats while the context is open; one layer at a time is of that format.

    Only for forward passes without gradients.
    """
    narrow: dict[nn.Parameter, Tensor] = {}

    def widen_layer(module: nn.Module, _: object) -> None:
        for parameter in module.parameters(recurse=False):
            if _is_narrow(parameter):
                narrow[parameter] = parameter.data
                parameter.data = parameter.data.float()

    def restore_layer(module: nn.Module, *_: object) -> None:
        for parameter in module.parameters(recurse=False):
            if parameter in narrow:
                parameter.data = narrow.pop(parameter)

    handles = []
    for module in model.modules():
        if any(_is_narrow(parameter) for parameter in module.parameters(recurse=False)):
            handles.append(module.register_forward_pre_hook(widen_layer))
            handles.append(module.register_forward_hook(restore_layer, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_multiplied(module: nn.Module, parameter: nn.Parameter) -> bool:
    """Return whether a weight is only read as a factor of a matrix product, or as rows of a table.

    Experts are matrices in one tensor.
    """
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, nn.Linear | nn.Embedding | Conv1D):
        return parameter.ndim == 2
    return parameter.ndim == 3 and type(module).__name__.endswith("Experts")


def _is_narrow(weight: Tensor) -> bool:
    return weight.is_floating_point() and weight.dtype is not torch.float32


def _widen_output(_: nn.Module, __: object, output: Tensor) -> Tensor:
    return output.float()
