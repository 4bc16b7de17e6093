"""The number format of matrix products; weights and everything else are 32-bit floats."""

import torch
from torch import Tensor


def matrix_format(device: torch.device) -> torch.dtype:
    """Choose bfloat16 if the device multiplies it natively: twice as fast, on a GPU and on a CPU.

    Products are still summed in 32-bit floats (Micikevicius et al. 2017, arXiv:1710.03740).
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = has_native_bfloat16()
    return torch.bfloat16 if native else torch.float32


def plain_format(device: torch.device) -> torch.dtype:
    """Choose for models without packing: bfloat16 slows down their attention on a CPU."""
    return matrix_format(device) if device.type == "cuda" else torch.float32


def multiplying(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return a context in which matrices are multiplied in this format; float32 changes nothing."""
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


def product_format(states: Tensor) -> torch.dtype:
    """Return the format of products with states: autocast's if enabled, otherwise their own."""
    device = states.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype


def has_native_bfloat16() -> bool:
    """Return whether this CPU has instructions for products of bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
