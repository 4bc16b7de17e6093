"""Ranks: the processes of one training run, one per device; a single process is rank 0 of 1.

Each rank trains on its share of the rows of every step. Gradients, losses and counts are summed
over all ranks, so results depend on the number of ranks only by rounding. A model that fits on a
device is copied to each (DistributedDataParallel); a larger one is cut into shards (fully_shard).
For a single process nothing here has any effect.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from anneal_trainer.launch import is_rank

T = TypeVar("T")
Result = TypeVar("Result")

LONGEST_WAIT = timedelta(hours=6)
"""Maximum time that ranks wait for one, such as the first one while it writes a checkpoint. If a
rank dies, the launcher ends all of them immediately."""
SEED_DISTANCE = 1 << 32
"""Between the seeds of two ranks; users' seeds are smaller."""


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Connect the ranks that the launcher started, while the context is open."""
    if not is_rank():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # Numbers and flags are exchanged on the CPU, whatever the device.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=LONGEST_WAIT)
    yield
    # Not after an error: it would wait for ranks that have ended.
    dist.destroy_process_group()


def rank() -> int:
    """Return this process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """Return the number of ranks."""
    return dist.get_world_size() if dist.is_initialized() else 1


def seed_here(seed: int) -> int:
    """Return this rank's seed for dropout, so that no two ranks drop the same units."""
    return seed + rank() * SEED_DISTANCE


def total(*numbers: float) -> list[float]:
    """Sum each number over all ranks, as 64-bit floats."""
    if count() == 1:
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(sums)
    return sums.tolist()


def any_of(flag: bool) -> bool:
    """Return whether the flag is set on any rank."""
    return total(flag)[0] > 0


def wait() -> None:
    """Wait until all ranks have come here."""
    total(0)


def first_says(value: T) -> T:
    """Return the first rank's value on all ranks."""
    if count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, device=torch.device("cpu"))
    return box[0]


class Whole(nn.Module):
    """A model whose weights are complete while a function runs on it, however ranks share it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401
        """Run a function on the model."""
        return function(self.model, *arguments)


def inner(model: nn.Module) -> nn.Module:
    """Return the model in a Whole, or the given one."""
    return model.model if isinstance(model, Whole) else model


def distributable(
    function: Callable[Concatenate[nn.Module, ...], Result],
) -> Callable[Concatenate[nn.Module, ...], Result]:
    """Let a function of a model accept one that ranks share, too; all of them must call it."""

    @wraps(function)
    def call(model: nn.Module, *arguments: Any) -> Result:  # noqa: ANN401
        if not isinstance(model, Whole | DistributedDataParallel):
            return function(model, *arguments)
        result: Result = model(function, *arguments)
        return result

    return call


def shard(whole: Whole, device: torch.device, number: torch.dtype) -> None:
    """Cut the weights into shards, one per rank (Rajbhandari et al. 2019, arXiv:1910.02054).

    Gradients and optimizer states are cut in the same way. The weights of one block at a time are
    complete while it runs, in the format `number` of matrix products; gradients are summed in
    32-bit floats. The other weights are complete and 32-bit floats during a whole pass.
    """
    mesh = init_device_mesh(device.type, (count(),))
    blocks = MixedPrecisionPolicy(
        param_dtype=None if number is torch.float32 else number,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    for block in _blocks(whole.model):
        fully_shard(block, mesh=mesh, mp_policy=blocks)
    fully_shard(whole, mesh=mesh)
    for module in whole.modules():
        if isinstance(module, FSDPModule):
            # Sums instead of means: the loss is already divided by the targets of all ranks.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of the outermost lists in a module: a transformer keeps its blocks so."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from _blocks(child)


def replicate(whole: nn.Module) -> nn.Module:
    """Let gradients be summed over all ranks, each of which has a copy of the model."""
    if count() == 1 or is_sharded(whole):
        return whole
    with warnings.catch_warnings():
        # Torch 2.13 has another name for `broadcast_buffers`, which 2.11 does not know.
        warnings.simplefilter("ignore", FutureWarning)
        replicated = DistributedDataParallel(
            whole,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            # Weights that no rank uses keep no gradient, as in a single process. It also keeps the
            # buckets as they are at first, so that a restart sums in the same order.
            find_unused_parameters=True,
        )
    replicated.register_comm_hook(None, _sum_bucket)
    return replicated


def _sum_bucket(
    _: None,
    bucket: dist.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[Tensor]:
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    done: torch.futures.Future[list[Tensor]] = work.get_future()
    return done.then(lambda sums: sums.value()[0])


def exchange_after(whole: nn.Module, is_last: bool) -> AbstractContextManager[None]:
    """Exchange the gradients of copies only after the last backward pass of a step."""
    if isinstance(whole, DistributedDataParallel) and not is_last:
        return whole.no_sync()
    return nullcontext()


def is_sharded(model: nn.Module) -> bool:
    """Return whether the model was cut into shards."""
    return isinstance(model, FSDPModule)


def is_shard(tensor: Tensor) -> bool:
    """Return whether this rank has only a part of a tensor."""
    return isinstance(tensor, DTensor)


def local(tensor: Tensor) -> Tensor:
    """Return this rank's shard of a tensor; the tensor itself if it is not cut."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def complete(tensor: Tensor) -> Tensor:
    """Return the complete tensor on all ranks."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cut_like(tensor: Tensor, example: Tensor) -> Tensor:
    """Return this rank's part of a complete tensor, cut like another one of the same shape."""
    tensor = tensor.to(example.device)
    if not isinstance(example, DTensor):
        return tensor
    # Every rank has the complete tensor, so nothing is exchanged.
    return distribute_tensor(tensor, example.device_mesh, example.placements, src_data_rank=None)


def gather_weights(
    whole: nn.Module, select: Callable[[nn.Module], dict[str, Tensor]], number: torch.dtype
) -> dict[str, Tensor] | None:
    """Return selected weights of a model in shards on the first rank, complete, as `number`.

    None if the model is not in shards; empty on the other ranks, all of which must call it. One
    weight at a time is complete on each device.
    """
    if not isinstance(whole, Whole) or not is_sharded(whole):
        return None
    for module in whole.modules():
        if isinstance(module, FSDPModule):
            # After an evaluation some are still complete.
            module.reshard()
    weights = {}
    for name, value in select(whole.model).items():
        gathered = complete(value)
        if rank() == 0:
            is_real = gathered.is_floating_point()
            weights[name] = gathered.cpu().to(number) if is_real else gathered.cpu()
    return weights
