"""The number format in which matrices are multiplied; weights and all else stay 32-bit floats."""

import torch
from torch import Tensor


def matrix_format(device: torch.device) -> torch.dtype:
    """Choose bfloat16 where it is multiplied natively: twice as fast, on a GPU and on a processor.

    Products are summed in 32-bit floats there too (Micikevicius et al. 2017, arXiv:1710.03740).
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = has_native_bfloat16()
    return torch.bfloat16 if native else torch.float32


def plain_format(device: torch.device) -> torch.dtype:
    """Choose for models as transformers runs them: bfloat16 slows their attention on a CPU."""
    return matrix_format(device) if device.type == "cuda" else torch.float32


def multiplying(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Multiply matrices in this format from here on; float32 changes nothing."""
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


def product_format(states: Tensor) -> torch.dtype:
    """Tell how states are multiplied here: in autocast's number format, or else in their own."""
    device = states.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype


def has_native_bfloat16() -> bool:
    """Tell whether this processor has instructions for products of bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
