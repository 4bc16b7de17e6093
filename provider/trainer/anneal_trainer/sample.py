"""Samples: the model's answers to a few rows, so that people see more than the loss."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from anneal_trainer import ranks
from anneal_trainer.data.batch import make_batch
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.example import Example
from anneal_trainer.loss.score import predict
from anneal_trainer.model.frozen_format import narrow_format
from anneal_trainer.model.matrix_format import multiplying, plain_format

PROMPTS = 2
TEXTS = 4
NEW_TOKENS = 32


def sample_texts(
    model: nn.Module,
    encoder: TextEncoder,
    examples: Sequence[Example],
    max_length: int,
    ends: Collection[int],
    device: torch.device,
) -> list[dict[str, Any]]:
    """Continue the prompts of the first examples greedily: prompt, expected, answer.

    Undesirable answers are not expected. An answer ends with the end of the text, or with one of
    the token ids `ends`.
    """
    stops = {encoder.eos_id, *ends}
    samples = []
    sound = (example for example in examples if example.desirable is not False)
    for example in islice(sound, PROMPTS):
        # A model needs at least one token, even of a row of two.
        length = max(1, example.prompt_length)
        prompt, expected = example.ids[:length], example.ids[length:]
        answer = _continue(model, prompt, stops, max_length, device)
        texts = [encoder.decode(ids) for ids in (prompt, expected, answer)]
        samples.append(dict(zip(("prompt", "expected", "answer"), texts, strict=True)))
    return samples


def sample_labels(
    model: nn.Module,
    pad_id: int,
    examples: Sequence[Example],
    labels: Sequence[str],
    device: torch.device,
) -> list[dict[str, Any]]:
    """Classify the first examples: text, expected, answer."""
    chosen = examples[:TEXTS]
    batch = make_batch(chosen, pad_id, device)
    model.eval()
    with torch.no_grad():
        logits = predict(model, batch)
    model.train()
    return [
        {"text": example.text, "expected": labels[example.label], "answer": labels[choice]}
        for example, choice in zip(chosen, logits.argmax(-1).tolist(), strict=True)
    ]


@torch.no_grad()
def _continue(
    model: nn.Module,
    prompt: list[int],
    stops: Collection[int],
    max_length: int,
    device: torch.device,
) -> list[int]:
    """Take the most likely token, NEW_TOKENS times or until one of `stops`."""
    model.eval()
    ids = prompt[-(max_length - NEW_TOKENS) :] if max_length > NEW_TOKENS else prompt[-1:]
    answer: list[int] = []
    for _ in range(NEW_TOKENS):
        context = torch.tensor([(ids + answer)[-max_length:]], device=device)
        with multiplying(device, narrow_format(model) or plain_format(device)):
            token = int(_next_logits(model, context).argmax())
        if token in stops:
            break
        answer.append(token)
    model.train()
    return answer


@ranks.distributable
def _next_logits(model: nn.Module, context: Tensor) -> Tensor:
    """Logits of the token after a row of ids (1, tokens): (words,)."""
    logits: Tensor = model(input_ids=context, logits_to_keep=1, use_cache=False).logits
    return logits[0, -1]
