"""Writes docs/sizing.md: which model fits on which card, by the trainer's own estimate.

Run it as `.venv/bin/python scripts/bench/gpu_sizing.py`. Models are only shapes here, without any
weights: a forward pass on them costs no memory, and shows what a real one would keep.
"""

import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2] / "provider" / "trainer"))

from anneal_trainer.__main__ import SETTINGS

os.environ.update(SETTINGS)

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional
from transformers import (
    AttentionInterface,
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

from anneal_trainer import batch_size
from anneal_trainer.batch_size import RESERVE, find_batch_size
from anneal_trainer.data.batch import Batch, make_batch, make_packed_batch
from anneal_trainer.data.example import Example
from anneal_trainer.errors import OutOfMemoryError
from anneal_trainer.model.frozen_format import widen_the_rest
from anneal_trainer.model.generation import base_of
from anneal_trainer.model.loading import _needs_plain_attention
from anneal_trainer.model.memory import FLOAT, MOMENTS

PAGE = Path(__file__).parents[2] / "docs/sizing.md"
CARDS = (24, 48, 80, 141)
"""Memory of GPUs, in GB of 10^9 bytes."""
CONTEXT = 0.6e9
"""Bytes that the driver and its libraries take on a GPU."""
LENGTH = 2048
"""Tokens of the longest rows."""
CPU, GPU = torch.device("cpu"), torch.device("cuda")
PRODUCT = torch.bfloat16
ON_GPU = "packed-on-gpu"
"""Name under which transformers knows `attend_on_gpu`."""
KEPT = batch_size._kept


def shapes(
    config: Callable[..., Any],
    width: int,
    layers: int,
    heads: int,
    groups: int,
    inner: int,
    words: int,
    **more: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Make a configuration; `groups` are the heads of keys and values."""
    return config(
        hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=groups, intermediate_size=inner, vocab_size=words,
        max_position_embeddings=8192, **more,
    )  # fmt: skip


TIED, UNTIED = {"tie_word_embeddings": True}, {"tie_word_embeddings": False}
MODELS = {
    "Qwen2.5 0.5B": shapes(Qwen2Config, 896, 24, 14, 2, 4864, 151936, **TIED),
    "Qwen2.5 1.5B": shapes(Qwen2Config, 1536, 28, 12, 2, 8960, 151936, **TIED),
    "Qwen2.5 7B": shapes(Qwen2Config, 3584, 28, 28, 4, 18944, 152064, **UNTIED),
    "Mistral 7B": shapes(
        MistralConfig, 4096, 32, 32, 8, 14336, 32768, sliding_window=None, **UNTIED
    ),
    "Llama 3.1 8B": shapes(LlamaConfig, 4096, 32, 32, 8, 14336, 128256, **UNTIED),
    "Gemma 2 9B": shapes(Gemma2Config, 3584, 42, 16, 8, 14336, 256000, head_dim=256, **TIED),
    "Qwen2.5 14B": shapes(Qwen2Config, 5120, 48, 40, 8, 13824, 152064, **UNTIED),
    "Qwen2.5 32B": shapes(Qwen2Config, 5120, 64, 40, 8, 27648, 152064, **UNTIED),
}


class Rows(list[Example]):
    """Rows that know their lengths, like those of a dataset."""

    @property
    def sizes(self) -> list[int]:
        """Tokens of each row."""
        return [len(row.ids) for row in self]


def make_rows() -> Rows:
    """Make rows of which 64 have the maximum length."""
    lengths = [LENGTH // 8, LENGTH // 2, *[LENGTH] * 64]
    return Rows(
        Example(number, [1] * length, [True] * length, prompt_length=1, label=-1, text="")
        for number, length in enumerate(lengths)
    )


class Shape:
    """A model without weights, and the trainer's estimates for it."""

    def __init__(self, config: Any, *, lora: bool) -> None:  # noqa: ANN401
        self._mode = FakeTensorMode(allow_non_fake_inputs=True)
        self._packed = not _needs_plain_attention(config)
        config._attn_implementation = ON_GPU if self._packed else "eager"
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
            if lora:
                model = adapted(model)
        self.model = self._without_weights(model).train()
        self._kept: dict[tuple[Any, ...], int] = {}

    @property
    def bytes(self) -> int:
        """Bytes of the weights."""
        return sum(weight.nbytes for weight in self.model.parameters())

    def fit(self, free: float) -> batch_size.Fit | None:
        """Return the rows per pass if so many bytes are free besides the weights, or None."""
        parameters: Any = SimpleNamespace(batch_size="max", optimizer="adamw")
        rows: Any = make_rows()
        with ExitStack() as stack:
            for name, value in (
                ("free_bytes", lambda _: free),
                ("_try_step", lambda *_: True),
                ("_kept", self._kept_once),
            ):
                stack.enter_context(patch.object(batch_size, name, value))
            try:
                return find_batch_size(self.model, rows, parameters, self._collate, PRODUCT, GPU)
            except OutOfMemoryError:
                return None

    def least(self) -> float:
        """Return the bytes that training takes at least, with all that is not weights."""
        rows: Any = make_rows()
        trained = sum(value.numel() for value in self.model.parameters() if value.requires_grad)
        with patch.object(batch_size, "_kept", self._kept_once):
            meter = batch_size._Meter(self.model, rows, self._collate, PRODUCT)
            batch_size.recompute(self.model, on=True)
            gradients, moments = trained * FLOAT, trained * MOMENTS["adamw"]
            batch = self._collate(rows[-1:])
            memory = meter.estimate(batch, gradients, moments, checkpointing=True)
        return self.bytes + memory.total * RESERVE["cuda"] + CONTEXT

    def _without_weights(self, model: nn.Module) -> nn.Module:
        """Replace weights by tensors that have a shape and no memory, tied ones by the same."""
        made: dict[int, Tensor] = {}
        with self._mode:
            for module in model.modules():
                for place in (module._parameters, module._buffers):
                    for name, value in place.items():
                        if value is None:
                            continue
                        if id(value) not in made:
                            new = torch.empty(value.shape, dtype=value.dtype, device=CPU)
                            if isinstance(value, nn.Parameter):
                                new = nn.Parameter(new, requires_grad=value.requires_grad)
                            made[id(value)] = new
                        place[name] = made[id(value)]
        return model

    def _collate(self, rows: Sequence[Example]) -> Batch:
        if not self._packed:
            return self._faked(make_batch(rows, 0, CPU))
        batch = self._faked(make_packed_batch(rows, CPU))
        assert batch.documents is not None
        return replace(batch, documents=self._faked(batch.documents))

    def _faked(self, parts: Any) -> Any:  # noqa: ANN401
        tensors = {key: value for key, value in vars(parts).items() if isinstance(value, Tensor)}
        return replace(parts, **{k: self._mode.from_tensor(v) for k, v in tensors.items()})

    def _kept_once(self, model: nn.Module, batch: Batch, dtype: torch.dtype) -> int:
        lengths = batch.documents.lengths if batch.documents else tuple(batch.ids.shape)
        key = (lengths, base_of(model).is_gradient_checkpointing)
        if key not in self._kept:
            with self._mode:
                self._kept[key] = KEPT(model, batch, dtype)
        return self._kept[key]


def adapted(model: nn.Module) -> nn.Module:
    """Freeze a model in 16 bits, except for an adapter with the default settings."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")
    whole = get_peft_model(model.to(PRODUCT), settings)
    widen_the_rest(whole)
    return whole


def attend_on_gpu(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    *,
    scaling: float | None = None,
    **_: Any,  # noqa: ANN401
) -> tuple[Tensor, None]:
    """Keep what packed attention keeps on a GPU: its inputs and results in 16 bits, no scores."""
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    states = [one.to(PRODUCT) for one in (query, key, value)]
    result = functional.scaled_dot_product_attention(*states, is_causal=True, scale=scaling)
    return result.transpose(1, 2), None


def row(name: str, *, lora: bool) -> str:
    """Make the line of the table for a model and a method."""
    shape = Shape(MODELS[name], lora=lora)
    cells = [name, "LoRA" if lora else "full", gigabytes(shape.least())]
    for card in CARDS:
        found = shape.fit(card * 1e9 - CONTEXT - shape.bytes)
        cells.append("-" if found is None else f"{found.batch_size}{'*' * found.checkpointing}")
    return f"| {' | '.join(cells)} |"


def gigabytes(count: float) -> str:
    """Format bytes, rounded up."""
    return f"{math.ceil(count / 1e9)} GB"


def main() -> int:
    """Write the page."""
    lines = [row(name, lora=lora) for name in MODELS for lora in (True, False)]
    PAGE.write_text(INTRODUCTION + "\n".join([*HEADING, *lines]) + "\n", encoding="utf-8")
    return 0


HEADING = (
    f"| model | method | needs | {' | '.join(f'{card} GB' for card in CARDS)} |",
    f"|---|---|---|{'---|' * len(CARDS)}",
)
INTRODUCTION = f"""# Which model on which GPU

**All figures here are estimated, none is measured yet.** They are the trainer's own estimate, by
which it chooses the batch size and refuses what cannot fit, for rows of {LENGTH:,} tokens that are
learned as a whole. LoRA is an adapter on all linear layers with the default rank 8; the model's
files are in bfloat16.

- *needs* is the least memory: one row at a time, with activations computed again in the backward
  pass. It includes {CONTEXT / 1e9:.1f} GB for the driver, and a reserve of
  {RESERVE["cuda"] - 1:.0%} of all that is not weights.
- The other columns are the rows per forward pass that `batch_size` `max` starts with on a GPU of so
  much memory (GB are 10⁹ bytes), at most {batch_size.LARGEST_BATCH_GPU}. With `*` activations are
  computed again, because not even one row would fit otherwise: steps take about a third longer.
  With `-` the training is refused.

Other models of the same shape need the same. Shorter rows need less: the part that is not weights,
gradients and optimizer grows with the tokens of a batch. Gemma 2 caps its attention scores, so its
rows are padded, and the scores are kept. [Operating a provider](operating.md#sizing) says what else
a training run takes.

This page is generated by `scripts/bench/gpu_sizing.py`. `npm run bench:gpu -- --out <FOLDER>`
measures on a machine with a GPU how far the estimate is off.

"""
AttentionInterface.register(ON_GPU, attend_on_gpu)


if __name__ == "__main__":
    sys.exit(main())
