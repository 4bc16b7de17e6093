"""Memory: what a training needs, what there is, and the largest batch that fits.

What cannot fit is refused before the first step: by the sizes in the model's files, before they are
loaded, and then by what the loaded model keeps of each token for the backward pass.
"""

import math
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from anneal_trainer.data.example import Example
from anneal_trainer.errors import OutOfMemoryError, is_out_of_memory
from anneal_trainer.job import Hyperparameters
from anneal_trainer.loss.batch import Batch, Collate, score
from anneal_trainer.model.files import read_shapes

FLOAT = 4
"""Bytes of a weight, of its gradient, and of each of AdamW's two moments."""
LARGEST_BATCH_CPU = 8
LARGEST_BATCH_GPU = 64
PASSING = 1.2
"""What a forward and backward pass takes at its peak, as a multiple of what it keeps."""
CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 62
"""Bytes, more than any machine has."""
HINT = "Lower batch_size or max_seq_length, train with lora, or choose a smaller model."


def refuse_too_large(
    model_directory: Path, parameters: Hyperparameters, device: torch.device
) -> None:
    """Raise OutOfMemoryError where not even weights, gradients and optimizer fit."""
    shapes = read_shapes(model_directory).values()
    weights = trained = sum(math.prod(shape) for shape in shapes)
    if parameters.lora:
        trained = sum(parameters.lora_r * sum(shape) for shape in shapes if len(shape) == 2)
    needed, free = weights * FLOAT + trained * 3 * FLOAT, free_bytes(device)
    if needed > free:
        raise OutOfMemoryError(
            f"Training needs about {_gb(needed)} for weights ({_gb(weights * FLOAT)}), gradients "
            f"and optimizer ({_gb(trained * 3 * FLOAT)}) alone, but {_gb(free)} are free.",
            "Choose a smaller model."
            if parameters.lora
            else "Train with lora, or choose a smaller model.",
        )


def find_batch_size(
    model: nn.Module,
    examples: Sequence[Example],
    parameters: Hyperparameters,
    collate: Collate,
    device: torch.device,
) -> int:
    """Rows in a forward pass: the number asked for, or for "max" the largest that fits.

    "max" trains on the longest rows and forgets it. Raises OutOfMemoryError where one row, or the
    number asked for, does not fit.
    """
    wanted = parameters.batch_size
    cap = LARGEST_BATCH_GPU if device.type == "cuda" else LARGEST_BATCH_CPU
    size = min(cap if wanted == "max" else wanted, len(examples))
    longest = sorted(examples, key=lambda example: -example.size)[:size]
    shortest = min(examples, key=lambda example: example.size)
    per_token = _kept_per_token(model, shortest, collate)
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    while True:
        batch = collate(longest[:size])
        passing = int(batch.ids.numel() * per_token * PASSING)
        needed, free = trained * 3 * FLOAT + passing, free_bytes(device)
        fits = needed <= free
        if fits and (wanted != "max" or _survives(model, batch, trained, device)):
            return size
        if size == 1 or wanted != "max":
            rows = "1 row" if size == 1 else f"{size} rows"
            outcome = "did not fit when tried" if fits else "cannot fit"
            raise OutOfMemoryError(
                f"The longest {rows} with {batch.tokens} tokens {outcome}: forward and backward "
                f"pass ({_gb(passing)}), gradients and optimizer need about {_gb(needed)}, and "
                f"{_gb(free)} are free.",
                HINT,
            )
        size //= 2


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be allocated: on a CPU the least that any limit leaves."""
    if device.type == "cuda":
        # What torch keeps of what was freed, it hands out again.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return max(0, min(_limits()))


def _limits() -> Iterator[int]:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = meminfo.read_text(encoding="ascii").splitlines()
        figures = dict(line.split(":") for line in lines)
        yield int(figures["MemAvailable"].split()[0]) * 1024
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        yield space - pages * resource.getpagesize()
    groups = Path("/proc/self/cgroup")
    if groups.exists():
        yield from _cgroup_limits(CGROUPS, groups.read_text(encoding="ascii"))
    yield UNLIMITED


def _cgroup_limits(root: Path, membership: str) -> Iterator[int]:
    """Yield what the control groups around this process leave, of versions 1 and 2.

    `membership` is what the kernel says of the process: lines of number:controllers:path.
    """
    for line in membership.splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / controllers
        limit, usage = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else ("memory.max", "memory.current")
        )
        group = top / place.lstrip("/")
        # In a container the path of the host is not there, but its own group is the top.
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            if (folder / limit).exists():
                text = (folder / limit).read_text(encoding="ascii").strip()
                if text != "max":
                    yield int(text) - int((folder / usage).read_text()) + _page_cache(folder)


def _page_cache(folder: Path) -> int:
    """Bytes of a group's files in memory, which make room when they are in the way."""
    lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    return int(dict(line.split() for line in lines).get("inactive_file", 0))


def _kept_per_token(model: nn.Module, example: Example, collate: Collate) -> float:
    """Bytes that a forward pass keeps for the backward pass, for each token more."""
    one, two = (collate([example] * rows) for rows in (1, 2))
    kept = [_kept(model, batch) for batch in (one, two)]
    return max(0, kept[1] - kept[0]) / (two.ids.numel() - one.ids.numel())


def _kept(model: nn.Module, batch: Batch) -> int:
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = score(model, batch)
    del result
    return sum(sizes.values())


def _survives(model: nn.Module, batch: Batch, trained: int, device: torch.device) -> bool:
    """Train on a batch and forget it; tell whether the memory was enough."""
    try:
        # The room of the optimizer's moments, which only exist after the first step.
        moments = torch.empty(2 * trained, device=device)
        score(model, batch).loss.backward()  # type: ignore[no-untyped-call]
        del moments
        return True
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        model.zero_grad(set_to_none=True)


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
