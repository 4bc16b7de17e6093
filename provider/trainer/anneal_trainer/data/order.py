"""The order of rows in a pass over a dataset."""

from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def row_order(rows: int, seed: int) -> list[int]:
    """Return row numbers in the order of torch.randperm with this seed.

    Cached, because every step of a pass needs it.
    """
    order: list[int] = torch.randperm(rows, generator=torch.Generator().manual_seed(seed)).tolist()
    return order
