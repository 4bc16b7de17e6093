"""The checks of correctness on one GPU, which gpu.py runs in order; rehearsed on a CPU.

Each one notes its figures, and raises FailedError if what the trainer promises does not hold.
"""

import gc
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial, partialmethod
from importlib import metadata, util
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2] / "provider" / "trainer"))

from anneal_trainer.__main__ import SETTINGS

os.environ.update(SETTINGS)

import torch
import train_gates
from gpu_watch import Bench, FailedError, NotThereError
from torch import Tensor, nn
from train_report import gate
from train_workspace import SIZES, config_of, generate_rows, make_model, write_job
from transformers import AutoModelForCausalLM

from anneal_trainer import batch_size, train
from anneal_trainer.__main__ import run
from anneal_trainer.data.batch import Collate, make_batch, make_packed_batch
from anneal_trainer.data.example import Example
from anneal_trainer.data.loading import load_data
from anneal_trainer.errors import EXIT_DONE, EXIT_OUT_OF_MEMORY, EXIT_STOPPED
from anneal_trainer.job import load_job
from anneal_trainer.loss.score import score
from anneal_trainer.model import compiling
from anneal_trainer.model.device import choose_device
from anneal_trainer.model.frozen_format import narrow_format, widen_the_rest
from anneal_trainer.model.loading import load_model, trainable_parameters
from anneal_trainer.model.matrix_format import matrix_format
from anneal_trainer.model.memory import FLOAT, MOMENTS
from anneal_trainer.model.packing import try_packing

REQUIREMENTS = Path(__file__).parents[2] / "provider/trainer/requirements.txt"
GPU_ONLY = (
    "There is no GPU: run it on a machine with one, or rehearse it with --rehearse."
)
ROUNDING = 2e-2
"""Maximum relative difference of losses whose products are rounded to 16 bits in other kernels."""
GRADIENTS = 5e-3
"""The same of gradients, which a GPU sums in any order."""
TOLERANCE = 0.1
"""Maximum relative difference between estimated and measured memory, on a GPU."""
ALLOWED_BYTES = 3e9
"""GPU memory that the trainer gets when it is to run out of it."""
DETERMINISTIC = {"batch_size": 4, "deterministic": True}
ADAPTER = {"lora": True, "lora_dropout": 0.1}


def machine(bench: Bench) -> None:
    """Note what the machine and its Python have; fail without a GPU that torch can use."""
    bench.note(
        python=platform.python_version(), cores=os.cpu_count(), packages=_packages()
    )
    if bench.rehearsal:
        return
    if not torch.cuda.is_available():
        raise FailedError(GPU_ONLY)
    card = torch.cuda.get_device_properties(0)
    bench.note(
        device=card.name,
        bytes=card.total_memory,
        capability=f"{card.major}.{card.minor}",
        cuda=torch.version.cuda,
        products=str(matrix_format(torch.device("cuda"))),
    )
    # The first product shows whether driver, libraries and card fit each other.
    ones = torch.ones(1024, 1024, device="cuda", dtype=torch.bfloat16)
    if not torch.equal(ones @ ones, ones * 1024):
        raise FailedError(
            "The GPU multiplies wrongly: 1 x 1, summed 1,024 times, is not 1,024."
        )


def _packages() -> dict[str, str | None]:
    """Return the versions of the packages in requirements.txt, None for those that are missing."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    names = [line.partition("==")[0] for line in lines if "==" in line]
    found: dict[str, str | None] = dict.fromkeys(names)
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def packed(bench: Bench) -> None:
    """Check that packed rows give the loss and gradients of padded ones, each on its own."""
    workspace = make_workspace(bench, {"batch_size": 8})
    gates = train_gates.main(workspace)["gates"]
    require(bench, gates)


def resume(bench: Bench) -> None:
    """Check that a stopped run delivers the same bytes in the end, with an adapter and without.

    With an adapter dropout shows whether the state of the random generators was restored.
    """
    for name, settings in (("full", {}), ("adapter", ADAPTER)):
        workspace = make_workspace(bench, {**DETERMINISTIC, **settings}, name=name)
        whole = files_of(finished(workspace))
        shutil.rmtree(workspace / "work")
        code = run(workspace, lambda place=workspace: _steps(place) >= 2, 1e9)
        if code != EXIT_STOPPED:
            raise FailedError(f"A run that should stop ended with exit code {code}.")
        differ = _different(whole, files_of(finished(workspace)))
        bench.note(**{f"{name}Files": len(whole), f"{name}Different": differ})
        if differ:
            raise FailedError(
                f"{name}: other bytes after a stop in {', '.join(differ)}."
            )


def determinism(bench: Bench) -> None:
    """Check that two runs deliver the same bytes if the job asks for it; note if they do anyway."""
    found = {}
    for asked in (True, False):
        workspace = make_workspace(
            bench, {**DETERMINISTIC, "deterministic": asked}, name=str(asked)
        )
        one = files_of(finished(workspace))
        shutil.rmtree(workspace / "work")
        # The job is in the receipt and the model card, so only runs of one job can be equal.
        found[asked] = _different(one, files_of(finished(workspace)))
        bench.note(**{"different" if asked else "differentByDefault": found[asked]})
    if found[True]:
        raise FailedError(f"Other bytes in the second run in {', '.join(found[True])}.")


def frozen_format(bench: Bench) -> None:
    """Check that frozen weights in 16 bits give the loss of those in 32 bits."""
    workspace, device = (
        make_workspace(bench, {"batch_size": 4, "lora": True}),
        choose_device(),
    )
    job, narrow_files = load_job(workspace), workspace / "narrow"
    shutil.copytree(job.model_directory, narrow_files)
    stored = AutoModelForCausalLM.from_pretrained(
        job.model_directory, dtype=torch.bfloat16
    )
    stored.save_pretrained(narrow_files)
    data = load_data(job)
    rows, results, sizes = data.train.examples[:8], [], []
    for product in (torch.bfloat16, torch.float32):
        torch.manual_seed(0)
        model = load_model(
            narrow_files, "causal-lm", [], job.hyperparameters, product=product
        )
        model.to(device).train()
        if (narrow_format(model) is None) is (product is torch.bfloat16):
            raise FailedError(f"Frozen weights are not kept as {product}.")
        # New adapters add nothing: their second matrix is 0.
        _stir(model)
        reason = try_packing(model, [row.ids for row in rows], torch.bfloat16)
        if reason is not None:
            raise FailedError(f"Rows cannot be packed: {reason}.")
        results.append(
            train_gates.loss_and_gradients(
                model, make_packed_batch(rows, device), torch.bfloat16
            )
        )
        sizes.append(sum(weight.nbytes for weight in model.parameters()))
    bench.note(bytes=sizes[0], bytesIn32Bits=sizes[1])
    require(bench, compare(*results, loss=0.0, gradients=GRADIENTS))


def checkpointing(bench: Bench) -> None:
    """Check that activations that are computed again give the same loss, in less memory."""
    workspace, device = make_workspace(bench, {"batch_size": 8}), choose_device()
    job = load_job(workspace)
    rows = load_data(job).train.examples[:8]
    torch.manual_seed(0)
    model = load_model(job.model_directory, "causal-lm", [], job.hyperparameters)
    model.to(device).train()
    dtype = matrix_format(device)
    reason = try_packing(model, [row.ids for row in rows], dtype)
    if reason is not None:
        raise FailedError(f"Rows cannot be packed: {reason}.")
    batch, results, peaks = make_packed_batch(rows, device), [], []
    for on in (False, True):
        batch_size.recompute(model, on=on)
        with measured_peak(device) as peak:
            results.append(train_gates.loss_and_gradients(model, batch, dtype))
        peaks.append(peak[0])
    bench.note(bytes=peaks[1], bytesIfKept=peaks[0])
    require(bench, compare(*reversed(results), loss=0.0, gradients=GRADIENTS))
    if device.type == "cuda" and peaks[1] >= peaks[0]:
        raise FailedError("It takes as much memory as keeping them.")


def out_of_memory(bench: Bench) -> None:
    """Check that the search for a batch size survives running out of memory, and the process, too.

    On a GPU torch gets less than the card has, which the estimate does not know: it really runs
    out. Rehearsed, the estimate finds little memory.
    """
    scale, rows = (0.5, 16) if bench.rehearsal else (3, 128)
    texts = list(generate_rows(rows, scale))
    searched = make_workspace(bench, {"batch_size": "max"}, texts, "searched")
    fixed = make_workspace(
        bench, {"batch_size": 16 if bench.rehearsal else 64}, texts, "fixed"
    )
    with _little_memory():
        finished(searched)
        # What is refused or fails must leave the memory to the next job.
        code = run(fixed, lambda: False, 1e9)
        result = json.loads((fixed / "work/result.json").read_text(encoding="utf-8"))
        bench.note(exitCode=code, message=result["message"], hint=result["hint"])
        shutil.rmtree(searched / "work")
        finished(searched)
    found = json.loads((searched / "work/result.json").read_text(encoding="utf-8"))[
        "batch_size"
    ]
    bench.note(batchSize=found)
    most = (
        batch_size.LARGEST_BATCH_CPU
        if bench.rehearsal
        else batch_size.LARGEST_BATCH_GPU
    )
    if not 1 <= found < most:
        raise FailedError(
            f"The search found {found} rows, as if memory had been enough."
        )
    if code != EXIT_OUT_OF_MEMORY:
        raise FailedError(f"A batch that does not fit ended with exit code {code}.")


@contextmanager
def _little_memory() -> Iterator[None]:
    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(ALLOWED_BYTES / total)
        yield
        torch.cuda.set_per_process_memory_fraction(1.0)
        return
    with patch.object(batch_size, "free_bytes", lambda _: 40_000_000):
        yield


def memory_estimate(bench: Bench) -> None:
    """Check that the estimate of a training step is within a tenth of its peak, on a GPU.

    Rehearsed, only the estimate is noted: there tests measure it.
    """
    device, failed = choose_device(), []
    for lora in (False, True):
        for packing in (True, False):
            for again in (False, True):
                name = (
                    f"{'lora' if lora else 'full'} {'packed' if packing else 'padded'}"
                )
                name += " again" if again else " kept"
                estimate, peak = _estimate_and_peak(bench, device, lora, packing, again)
                bench.note(**{name: {"estimate": estimate, "peak": peak}})
                if device.type == "cuda" and abs(estimate / peak - 1) > TOLERANCE:
                    failed.append(f"{name} {estimate / peak - 1:+.0%}")
    if failed:
        raise FailedError(f"The estimate is off: {', '.join(failed)}.")


def _estimate_and_peak(
    bench: Bench, device: torch.device, lora: bool, packing: bool, again: bool
) -> tuple[int, int]:
    """Return bytes of weights and a step, estimated and measured (0 on a CPU)."""
    model, rows = _random_model(bench, device, lora=lora), _Rows(_random_rows(bench))
    dtype = matrix_format(device)
    collate: Collate = partial(make_batch, pad_id=0, device=device)
    if packing:
        reason = try_packing(model, [row.ids for row in rows], dtype)
        if reason is not None:
            raise FailedError(f"Rows cannot be packed: {reason}.")
        collate = partial(make_packed_batch, device=device)
    batch = collate(rows[-8:])
    weights = list(trainable_parameters(model).values())
    trained = sum(weight.numel() for weight in weights)
    meter = batch_size._Meter(model, rows, collate, dtype)
    batch_size.recompute(model, on=again)
    memory = meter.estimate(
        batch, trained * FLOAT, trained * MOMENTS["adamw"], checkpointing=again
    )
    everything = sum(weight.nbytes for weight in model.parameters())
    optimizer = torch.optim.AdamW(weights, fused=True)
    for _ in range(2):
        with measured_peak(device) as peak:
            (score(model, batch, dtype).loss / batch.count).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    return everything + memory.total, peak[0]


class _Rows(list[Example]):
    @property
    def sizes(self) -> list[int]:
        return [len(row.ids) for row in self]


def _random_model(bench: Bench, device: torch.device, *, lora: bool) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = config_of(SIZES["tiny" if bench.rehearsal else "0.5b"])
    with device:
        model = AutoModelForCausalLM.from_config(config)
    if not lora:
        return model.train()
    adapted = get_peft_model(
        model.to(torch.bfloat16),
        LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear"),
    )
    widen_the_rest(adapted)
    if matrix_format(device) is torch.float32:
        adapted.float()
    return adapted.train()


def _random_rows(bench: Bench) -> list[Example]:
    longest = 32 if bench.rehearsal else 1024
    lengths = [longest // 8, longest // 2, *[longest] * 8]
    return [
        Example(number, [(number * 37 + place * 11) % 1000 for place in range(length)],
                [True] * length, prompt_length=1, label=-1, text="")
        for number, length in enumerate(lengths)
    ]  # fmt: skip


def compiled(bench: Bench) -> None:
    """Check that a compiled run has the losses of one that is not, and is really compiled.

    Rehearsed, the code is traced, but not compiled: that takes minutes on a CPU.
    """
    from torch._dynamo.utils import counters

    workspace = make_workspace(bench, {"batch_size": 4})
    plain = _losses(finished(workspace))
    shutil.rmtree(workspace / "work")
    with ExitStack() as stack:
        stack.enter_context(patch.object(compiling, "REPAID_AFTER", 0))
        if bench.rehearsal:
            stack.enter_context(_traced_only())
        losses = _losses(finished(workspace))
    graphs = counters["stats"]["unique_graphs"]
    bench.note(graphs=graphs, losses=losses, lossesNotCompiled=plain)
    if not graphs:
        raise FailedError("Nothing was compiled; the log shows why.")
    difference = max(
        abs(one / other - 1) for one, other in zip(losses, plain, strict=True)
    )
    require(bench, [gate("losses", difference, ROUNDING)])


@contextmanager
def _traced_only() -> Iterator[None]:
    compile_, as_on_a_gpu = nn.Module.compile, compiling.compile_if_worthwhile

    def trace(
        model: nn.Module, steps: int, _: torch.device, *, deterministic: bool
    ) -> None:
        as_on_a_gpu(model, steps, torch.device("cuda"), deterministic=deterministic)

    with (
        patch.object(nn.Module, "compile", partialmethod(compile_, backend="eager")),
        patch.object(train, "compile_if_worthwhile", trace),
    ):
        yield


def one_rank(bench: Bench) -> None:
    """Check that a run that torchrun starts with one rank has the losses of one without it."""
    if util.find_spec("anneal_trainer.ranks") is None:
        raise NotThereError("The trainer has no module anneal_trainer.ranks.")
    workspace = make_workspace(bench, DETERMINISTIC)
    plain = _losses(finished(workspace))
    shutil.rmtree(workspace / "work")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=1",
    ]
    command += ["-m", "anneal_trainer", "--job-dir", str(workspace)]
    trainer = Path(train.__file__).parents[1]
    paths = [str(trainer), *filter(None, [os.environ.get("PYTHONPATH")])]
    subprocess.run(
        command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    )
    losses = _losses(workspace / "work")
    difference = max(
        abs(one / other - 1) for one, other in zip(losses, plain, strict=True)
    )
    require(bench, [gate("losses", difference, 1e-6)])


def make_workspace(
    bench: Bench,
    settings: Mapping[str, Any],
    rows: Sequence[dict[str, str]] = (),
    name: str = "job",
) -> Path:
    """Write a job of few steps with a small model, of tiny shapes if rehearsed."""
    size = "tiny" if bench.rehearsal else "small"
    rows = rows or list(
        generate_rows(16 if bench.rehearsal else 48, 0.2 if bench.rehearsal else 1)
    )
    workspace = bench.folder / name
    workspace.mkdir()
    make_model(workspace / "model", size, rows)
    length = 256 if bench.rehearsal else 1024
    write_job(
        workspace, rows, {"learning_rate": 1e-3, "max_seq_length": length, **settings}
    )
    return workspace


def finished(workspace: Path) -> Path:
    """Run the job in a workspace to its end, and return the folder with its results."""
    code = run(workspace, lambda: False, 1e9)
    if code != EXIT_DONE:
        result = json.loads(
            (workspace / "work/result.json").read_text(encoding="utf-8")
        )
        raise FailedError(f"The job ended with exit code {code}: {result['message']}")
    return workspace / "work"


def files_of(work: Path) -> dict[str, bytes]:
    """Return every file that a user gets, with its bytes."""
    places = [work / "out", work / "checkpoints"]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in files}


def _different(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    return sorted(
        name for name in one.keys() | other.keys() if one.get(name) != other.get(name)
    )


def _steps(workspace: Path) -> int:
    return len(_losses(workspace / "work"))


def _losses(work: Path) -> list[float]:
    lines = (work / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return [event["loss"] for event in events if event["type"] == "progress"]


def compare(
    one: tuple[float, Tensor],
    other: tuple[float, Tensor],
    *,
    loss: float,
    gradients: float,
) -> list[dict[str, Any]]:
    """Compare losses and gradients, relative to the other's."""
    distance = (one[1] - other[1]).norm() / other[1].norm()
    return [
        gate("loss", abs(one[0] - other[0]) / other[0], loss),
        gate("gradients", distance.item(), gradients),
    ]


def require(bench: Bench, gates: Sequence[Mapping[str, Any]]) -> None:
    """Note gates, and fail if one is closed."""
    bench.note(gates=list(gates))
    for one in gates:
        if not one["passed"]:
            raise FailedError(
                f"{one['name']}: differs by {one['difference']:.2e}, more than {one['limit']:.0e}."
            )


@contextmanager
def measured_peak(device: torch.device) -> Iterator[list[int]]:
    """Measure the peak of GPU memory while the context is open; 0 on a CPU."""
    peak = [0]
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    yield peak
    if device.type == "cuda":
        torch.cuda.synchronize()
        peak[0] = torch.cuda.max_memory_allocated()


@torch.no_grad()
def _stir(model: nn.Module) -> None:
    """Draw what is trained again, the same each time."""
    generator = torch.Generator().manual_seed(1)
    for weight in trainable_parameters(model).values():
        weight.copy_(torch.randn(weight.shape, generator=generator) * 0.02)
