"""Memory: how much is free, and refusing models that cannot fit."""

import math
import os
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from anneal_trainer.errors import OutOfMemoryError
from anneal_trainer.job import Hyperparameters
from anneal_trainer.model.files import read_shapes

FLOAT = 4
"""Size of a weight that is trained, and of its gradient."""
MOMENTS = {"adamw": 8, "adamw_8bit": 2}
"""Size of the two moments of a weight."""
NF4 = 0.516
"""Size of a weight in 4 bits, with its share of the scale of its block."""
CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 62
"""Bytes, more than any machine has."""


def refuse_too_large(
    model_directory: Path,
    parameters: Hyperparameters,
    device: torch.device,
    frozen: torch.dtype,
    shards: int = 1,
) -> None:
    """Raise OutOfMemoryError if not even weights, gradients and optimizer fit.

    `frozen` is the format of frozen matrices, `shards` the number of devices that share all of it.
    """
    shapes = list(read_shapes(model_directory).values())
    weights, trained = training_bytes(shapes, parameters, frozen)
    needed, free = weights + trained, free_bytes(device)
    if needed > free * shards:
        raise OutOfMemoryError(
            f"Training needs about {readable(needed)} for weights ({readable(weights)}), "
            f"gradients and optimizer ({readable(trained)}) alone, but {readable(free)} are "
            f"free{f' on each of {shards} devices' if shards > 1 else ''}.",
            _smaller(parameters),
        )


def training_bytes(
    shapes: Sequence[Sequence[int]], parameters: Hyperparameters, frozen: torch.dtype
) -> tuple[int, int]:
    """Bytes of a model's weights, and of the gradients and moments of those that are trained.

    `shapes` are those of the weights, `frozen` is the format of frozen matrices. The head of a
    classifier is not counted.
    """
    moments = FLOAT + MOMENTS[parameters.optimizer]
    matrices = sum(math.prod(shape) for shape in shapes if len(shape) > 1)
    vectors = sum(math.prod(shape) for shape in shapes) - matrices
    if not parameters.lora:
        return (matrices + vectors) * FLOAT, (matrices + vectors) * moments
    size = frozen.itemsize if parameters.quantize is None else NF4
    adapter = sum(parameters.lora_r * sum(shape) for shape in shapes if len(shape) == 2)
    return int(matrices * size) + (vectors + adapter) * FLOAT, adapter * moments


def _smaller(parameters: Hyperparameters) -> str:
    """Suggest what needs less memory."""
    if not parameters.lora:
        return "Train with lora, or choose a smaller model."
    if parameters.quantize is None:
        return "Set quantize to nf4, or choose a smaller model."
    return "Choose a smaller model."


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be allocated: on a CPU the minimum over all limits."""
    if device.type == "cuda":
        # Memory that torch has cached after it was freed is available, too.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    # Ranks on one machine share its memory.
    return max(0, min(_limits())) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


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
    """Yield the memory left by the control groups of this process, of versions 1 and 2.

    `membership` is the content of /proc/self/cgroup: lines of number:controllers:path.
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
        # In a container the host's path does not exist; the container's own group is the root.
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            if (folder / limit).exists():
                text = (folder / limit).read_text(encoding="ascii").strip()
                if text != "max":
                    yield int(text) - int((folder / usage).read_text()) + _page_cache(folder)


def _page_cache(folder: Path) -> int:
    """Size of a group's page cache, which is freed under memory pressure."""
    lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    return int(dict(line.split() for line in lines).get("inactive_file", 0))


def readable(count: float) -> str:
    """Format bytes as gigabytes, or as megabytes if they are few."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
