"""True costs of orders: floating-point operations of the trainer's own code.

Reads one JSON line per order, and writes its operations per line. Models are built without memory
for their weights, and torch counts what training and evaluating a batch computes. Numbers of
evaluations and checkpoints come from the trainer's schedule, the size of a checkpoint from one that
the trainer writes. Assumed, not measured: how much a machine computes in the time in which it
writes a byte. With --models, prints the sizes of the models instead.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[3] / "provider" / "trainer"))

from anneal_trainer.__main__ import SETTINGS

os.environ.update(SETTINGS)

import torch
from anneal_trainer.data.batch import make_batch
from anneal_trainer.data.example import Example
from anneal_trainer.job import Hyperparameters, _resolve, load_schema
from anneal_trainer.loss import score as score_module
from anneal_trainer.model.checkpoint import CheckpointStore, State
from anneal_trainer.model.loading import _with_adapter, trainable_parameters
from anneal_trainer.schedule import Plan
from anneal_trainer.train import TRAINING_SAMPLE
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, LlamaConfig, masking_utils

OPERATIONS_PER_BYTE = 40_000
"""A machine that trains at 40 TFLOP/s and writes 1 GB/s."""
BATCH = 8
"""Rows of a step."""
META = torch.device("meta")
RULES = load_schema()["$defs"]["hyperparameters"]["properties"]

# Hidden size, layers, heads, key-value heads, inner size, vocabulary, tied embeddings.
MODELS = {
    "SmolLM2-135M": (576, 30, 9, 3, 1536, 49152, True),
    "Qwen2.5-0.5B": (896, 24, 14, 2, 4864, 151936, True),
    "Llama-3.2-1B": (2048, 16, 32, 8, 8192, 128256, True),
    "Qwen2.5-1.5B": (1536, 28, 12, 2, 8960, 151936, True),
    "Llama-3.2-3B": (3072, 28, 24, 8, 8192, 128256, True),
    "Mistral-7B": (4096, 32, 32, 8, 14336, 32768, False),
    "Llama-3.1-8B": (4096, 32, 32, 8, 14336, 128256, False),
    "Qwen2.5-14B": (5120, 48, 40, 8, 13824, 152064, False),
}
TINY = (64, 2, 4, 2, 128, 512, True)
"""Small enough to be trained here."""


def _config(shape: tuple[Any, ...]) -> LlamaConfig:
    hidden, layers, heads, key_value_heads, inner, vocabulary, tied = shape
    return LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        intermediate_size=inner,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
    )


def build(shape: tuple[Any, ...], parameters: Hyperparameters) -> nn.Module:
    """Build a model, with an adapter if the hyper-parameters ask for one."""
    model: nn.Module = AutoModelForCausalLM.from_config(_config(shape))
    return (
        _with_adapter(model, [], "causal-lm", parameters, None)
        if parameters.lora
        else model
    )


@contextmanager
def _without_values() -> Iterator[None]:
    """Skip what needs values or a real device: packed rows, and the format of products."""
    with (
        patch.object(score_module, "multiplying", lambda *_: nullcontext()),
        patch.object(masking_utils, "find_packed_sequence_indices", lambda *_: None),
    ):
        yield


def operations(model: nn.Module, length: int, *, training: bool) -> float:
    """Count the operations per token on rows of this length, every token of which is learned."""
    row = Example(1, [1] * length, [True] * length, 1, -1, "")
    # Rows of one length need no mask, and nothing can be looked up in tensors without values.
    batch = replace(make_batch([row] * 2, 0, META), mask=None)
    counter = FlopCounterMode(display=False)
    with counter, _without_values(), torch.set_grad_enabled(training):
        loss = score_module.score(model, batch, torch.float32).loss
        if training:
            loss.backward()  # type: ignore[no-untyped-call]
    counts: dict[Any, int] = counter.get_flop_counts()["Global"]
    # Attention to later tokens is counted, but kernels for causal attention skip that half.
    skipped = counts.get(torch.ops.aten.bmm, 0) / 2
    return (sum(counts.values()) - skipped) / (2 * length)


@cache
def _model(name: str, *, lora: bool) -> nn.Module:
    with META:
        return build(MODELS[name], _parameters({"lora": lora}))


@cache
def _measure(name: str, length: int, *, lora: bool) -> tuple[float, float, int]:
    """Return operations per token trained and per token evaluated, and parameters trained."""
    model = _model(name, lora=lora)
    trained = sum(weight.numel() for weight in trainable_parameters(model).values())
    train = operations(model, length, training=True)
    model.zero_grad()
    return train, operations(model, length, training=False), trained


def _count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def _parameters(config: dict[str, Any]) -> Hyperparameters:
    return _resolve(config, RULES)[0]


@cache
def _checkpoint_bytes() -> float:
    """Write a checkpoint of a small model; return its bytes per parameter that is trained."""
    model = build(TINY, _parameters({}))
    optimizer = torch.optim.AdamW(model.parameters())
    model(input_ids=torch.ones((1, 2), dtype=torch.long)).logits.sum().backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointStore(Path(folder), model, optimizer, 0)
        store.keep(State("", 1, [""], {}), model.save_pretrained)
        written = sum(
            file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()
        )
    return written / _count(model)


def true_cost(order: dict[str, Any]) -> float:
    """Operations that the trainer computes for an order, with what it writes."""
    parameters = _parameters(order["config"])
    length, tokens = order["rowLength"], order["dataSize"]
    train, evaluate, trained = _measure(order["model"], length, lora=parameters.lora)
    plan = Plan(tokens // length, BATCH, parameters)
    measured = order["validationSize"] or min(tokens, TRAINING_SAMPLE * length)
    during = [step for step in plan.evaluate_after if step < plan.total_steps]
    written = len(plan.checkpoint_after) * trained * _checkpoint_bytes()
    return (
        tokens * parameters.n_epochs * train
        + measured * (len(during) + 2) * evaluate
        + written * OPERATIONS_PER_BYTE
    )


def _describe(name: str) -> dict[str, Any]:
    config = _config(MODELS[name])
    keys = ("vocab_size", "hidden_size", "tie_word_embeddings")
    return {
        "parameters": _count(_model(name, lora=False)),
        "config": {key: getattr(config, key) for key in keys},
    }


def main() -> None:
    """Answer standard input."""
    if sys.argv[1:] == ["--models"]:
        print(json.dumps({name: _describe(name) for name in MODELS}))
        return
    for line in sys.stdin:
        print(true_cost(json.loads(line)))


if __name__ == "__main__":
    main()
