"""The batch size: the memory that training needs besides the weights, and the largest batch.

A batch that cannot fit is refused before the first step, by an estimate from what the loaded model
keeps per token for the backward pass.
"""

import torch
from torch import Tensor, nn

from anneal_trainer.data.batch import Batch, Collate
from anneal_trainer.data.example import Example, Examples
from anneal_trainer.errors import OutOfMemoryError, is_out_of_memory
from anneal_trainer.job import Hyperparameters
from anneal_trainer.loss.score import score
from anneal_trainer.model.memory import FLOAT, free_bytes, readable

LARGEST_BATCH_CPU = 8
LARGEST_BATCH_GPU = 64
PEAK_FACTOR = 1.2
"""Peak memory of a forward and backward pass, as a multiple of what it keeps."""
HINT = "Lower batch_size or max_seq_length, train with lora, or choose a smaller model."


def find_batch_size(
    model: nn.Module,
    examples: Examples,
    parameters: Hyperparameters,
    collate: Collate,
    dtype: torch.dtype,
    device: torch.device,
) -> int:
    """Return the rows per forward pass: the requested number, or for "max" the largest that fits.

    "max" tries a training step on the longest rows and discards it. Raises OutOfMemoryError if one
    row, or the requested number, does not fit.
    """
    wanted = parameters.batch_size
    cap = LARGEST_BATCH_GPU if device.type == "cuda" else LARGEST_BATCH_CPU
    size = min(cap if wanted == "max" else wanted, len(examples))
    sizes = examples.sizes
    longest_first = sorted(range(len(sizes)), key=lambda number: -sizes[number])
    longest = [examples[number] for number in longest_first[:size]]
    shortest = examples[min(range(len(sizes)), key=sizes.__getitem__)]
    per_token = _kept_per_token(model, shortest, collate, dtype)
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    while True:
        batch = collate(longest[:size])
        peak = int(batch.ids.numel() * per_token * PEAK_FACTOR)
        needed, free = trained * 3 * FLOAT + peak, free_bytes(device)
        fits = needed <= free
        if fits and (wanted != "max" or _try_step(model, batch, dtype, trained)):
            return size
        if size == 1 or wanted != "max":
            rows = "1 row" if size == 1 else f"{size} rows"
            outcome = "did not fit when tried" if fits else "cannot fit"
            raise OutOfMemoryError(
                f"The longest {rows} with {batch.tokens} tokens {outcome}: forward and backward "
                f"pass ({readable(peak)}), gradients and optimizer need about "
                f"{readable(needed)}, and {readable(free)} are free.",
                HINT,
            )
        size //= 2


def _kept_per_token(
    model: nn.Module, example: Example, collate: Collate, dtype: torch.dtype
) -> float:
    """Bytes that a forward pass keeps for the backward pass, per additional token."""
    one, two = (collate([example] * rows) for rows in (1, 2))
    kept = [_kept(model, batch, dtype) for batch in (one, two)]
    return max(0, kept[1] - kept[0]) / (two.ids.numel() - one.ids.numel())


def _kept(model: nn.Module, batch: Batch, dtype: torch.dtype) -> int:
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = score(model, batch, dtype)
    del result
    return sum(sizes.values())


def _try_step(model: nn.Module, batch: Batch, dtype: torch.dtype, trained: int) -> bool:
    """Run a training step and discard it; return whether the memory was enough."""
    try:
        # In place of the optimizer's moments, which only exist after the first step.
        moments = torch.empty(2 * trained, device=batch.ids.device)
        score(model, batch, dtype).loss.backward()  # type: ignore[no-untyped-call]
        del moments
        return True
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        model.zero_grad(set_to_none=True)
