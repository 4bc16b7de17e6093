"""The receipt: what was trained on what, so that anyone who has the inputs can rerun it.

It contains no time and no path: two runs of the same job on the same kind of machine write the same
bytes.
"""

import hashlib
import json
import platform
import struct
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from anneal_trainer import ranks
from anneal_trainer.hashing import CODE_SHA256, directory_sha256, file_sha256
from anneal_trainer.job import Job
from anneal_trainer.model.matrix_format import has_native_bfloat16

ORDER_RULE = (
    "pass e (from 0) takes the rows in the order of torch.randperm(rows, generator="
    "torch.Generator().manual_seed(seed + e)), batch_size rows a forward pass, "
    "gradient_accumulation_steps forward passes a step, the rest of the pass as its last step"
)
CHAIN_RULE = (
    "head(0) = SHA-256 of the identity's 32 bytes; head(n) = SHA-256 of head(n-1), then big-endian "
    "uint32 n, the float32 bits of the step's mean loss and gradient norm and the float64 bits of "
    "its learning rate"
)


def job_inputs(job: Job) -> dict[str, Any]:
    """Everything that determines the result; large inputs by their hash."""
    validation = job.validation_path
    return {
        "task_id": job.task_id,
        "kind": job.kind,
        "hyperparameters": asdict(job.hyperparameters),
        "base_model_sha256": directory_sha256(job.model_directory),
        "train_sha256": file_sha256(job.train_path),
        "validation_sha256": file_sha256(validation) if validation else None,
        "start_sha256": directory_sha256(start) if (start := job.start_directory) else None,
    }


def identity_of(inputs: dict[str, Any]) -> str:
    """SHA-256 of the inputs as JSON with sorted keys and no spaces, hex."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def first_link(identity: str) -> str:
    """Head of the chain before the first step, hex."""
    return hashlib.sha256(bytes.fromhex(identity)).hexdigest()


def next_link(chain: str, step: int, loss: float, grad_norm: float, rate: float) -> str:
    """Head of the chain after step number `step` (from 1), hex."""
    bits = struct.pack(">Iffd", step, loss, grad_norm, rate)
    return hashlib.sha256(bytes.fromhex(chain) + bits).hexdigest()


def environment(threads: int) -> dict[str, Any]:
    """Software and hardware that the floating-point results depend on."""
    packages = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy")
    cuda = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "architecture": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "native_bfloat16": has_native_bfloat16(),
        "threads": threads,
        **({"ranks": ranks.count()} if ranks.count() > 1 else {}),
    }


def write_receipt(
    path: Path,
    job: Job,
    inputs: dict[str, Any],
    steps: int,
    batch_size: int,
    links: Sequence[str],
    checkpoints: list[dict[str, Any]],
) -> None:
    """Write receipt.json beside the output files; it contains their hash."""
    receipt = {
        "version": 1,
        "inputs": inputs,
        "identity": identity_of(inputs),
        "seed": job.hyperparameters.seed,
        "order": ORDER_RULE,
        "batch_size": batch_size,
        "code_sha256": CODE_SHA256,
        "environment": environment(job.threads),
        "chain": {"rule": CHAIN_RULE, "steps": steps, "head": links[-1], "links": list(links)},
        "checkpoints": checkpoints,
        "output_sha256": directory_sha256(path.parent),
    }
    text = json.dumps(receipt, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
