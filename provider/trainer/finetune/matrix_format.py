"""The number format in which matrices are multiplied; weights and all else stay 32-bit floats."""

import torch


def matrix_format(device: torch.device) -> torch.dtype:
    """Choose bfloat16 on a GPU, and on a processor that multiplies it natively: twice as fast.

    Products are summed in 32-bit floats there too (Micikevicius et al. 2017, arXiv:1710.03740).
    """
    native = device.type == "cuda" or has_native_bfloat16()
    return torch.bfloat16 if native else torch.float32


def has_native_bfloat16() -> bool:
    """Tell whether this processor has instructions for products of bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
