"""The inputs of the training benchmark: a start model with random weights, and rows."""

import json
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "provider" / "trainer"))

from anneal_trainer import tiny_models

Row = dict[str, str]
TASK_ID = "00000000-0000-4000-8000-000000000001"
MEDIAN_WORDS = {"prompt": 45, "completion": 70}
"""Of generated rows; their lengths are log-normal with SIGMA, like those of instruction data."""
SIGMA = 0.6


@dataclass(frozen=True)
class Size:
    """The shapes of a Qwen2 model, and the length of its training."""

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    inner: int
    vocabulary: int
    steps: int
    learning_rate: float
    length: int
    """Tokens kept of a row."""
    number_format: str = "float32"
    tied: bool = True
    """Whether the embeddings are also the vocabulary layer."""


SIZES = {
    "tiny": Size(128, 2, 4, 2, 384, 1536, 40, 1e-3, 1024),
    "small": Size(256, 8, 4, 2, 704, 8192, 12, 5e-4, 1024),
    # Those of SmolLM2-135M, a model that people really train on a CPU.
    "135m": Size(576, 30, 9, 3, 1536, 49152, 4, 2e-4, 1024),
    # Those of Qwen2-0.5B, with over a quarter of its weights in the vocabulary: 30 min per round.
    "0.5b": Size(896, 24, 14, 2, 4864, 151936, 4, 1e-5, 1024),
    # Those of Qwen2-1.5B.
    "1.5b": Size(1536, 28, 12, 2, 8960, 151936, 40, 1e-5, 2048, "bfloat16"),
    # Those of Qwen2.5-7B.
    "7b": Size(3584, 28, 28, 4, 18944, 152064, 40, 1e-5, 2048, "bfloat16", tied=False),
}


def prepare(
    workspace: Path, name: str, data: Path | None, settings: dict[str, Any]
) -> None:
    """Write a job directory with rows, start model and job.json; batch_size must be set."""
    size = SIZES[name]
    count = size.steps * settings["batch_size"]
    rows = read_rows(data) if data else list(generate_rows(count))
    rows = random.Random(1).sample(rows, min(len(rows), count))
    workspace.mkdir(parents=True)
    make_model(workspace / "model", name, rows)
    defaults = {"learning_rate": size.learning_rate, "max_seq_length": size.length}
    write_job(workspace, rows, {**defaults, **settings})


def write_job(workspace: Path, rows: Sequence[Row], settings: dict[str, Any]) -> None:
    """Write rows and job.json into a directory with a start model."""
    (workspace / "data").mkdir()
    lines = [json.dumps(row) + "\n" for row in rows]
    (workspace / "data/train.jsonl").write_text("".join(lines), encoding="utf-8")
    job = {
        "version": 1,
        "task_id": TASK_ID,
        "kind": "causal-lm",
        "train": "data/train.jsonl",
        "validation": None,
        "threads": os.cpu_count(),
        "hyperparameters": {"n_epochs": 1, **settings},
    }
    (workspace / "job.json").write_text(json.dumps(job), encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """Read JSONL rows with prompt and completion, or with question and answer, as in gsm8k."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "question" in row:
            row = {"prompt": row["question"] + "\n", "completion": row["answer"]}
        rows.append({key: row[key] for key in ("prompt", "completion")})
    return rows


def generate_rows(count: int, scale: float = 1.0) -> Iterator[Row]:
    """Draw rows of common words, with lengths distributed like those of instructions.

    `scale` multiplies the lengths.
    """
    chance = random.Random(2)
    words = (
        Path(tiny_models.__file__)
        .with_name("words.txt")
        .read_text(encoding="utf-8")
        .split()
    )

    def text(median: int) -> str:
        length = max(2, round(chance.lognormvariate(0, SIGMA) * median * scale))
        return " ".join(chance.choices(words, k=length))

    for _ in range(count):
        yield {
            "prompt": text(MEDIAN_WORDS["prompt"]) + "\n",
            "completion": text(MEDIAN_WORDS["completion"]),
        }


def make_model(directory: Path, name: str, rows: Sequence[Row]) -> None:
    """Write the start model; for all but the tiny one, the tokenizer is trained on the rows."""
    directory.mkdir()
    tiny_models.make_tiny_qwen2(directory)
    if name == "tiny":
        return
    import torch
    from tokenizers import Tokenizer
    from tokenizers.trainers import BpeTrainer
    from transformers import Qwen2ForCausalLM, logging

    logging.disable_progress_bar()
    size = SIZES[name]
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = BpeTrainer(  # type: ignore[no-untyped-call]
        vocab_size=min(size.vocabulary, 8192),
        special_tokens=special,
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (text for row in rows for text in row.values()), trainer
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    torch.manual_seed(0)
    # On a GPU, where there is one: it draws billions of weights in a second.
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2ForCausalLM(config_of(size)).to(getattr(torch, size.number_format))
    model.save_pretrained(directory)


def config_of(size: Size) -> Any:  # noqa: ANN401
    """Return the configuration of a model of these shapes."""
    from transformers import Qwen2Config

    return Qwen2Config(
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_value_heads,
        intermediate_size=size.inner,
        vocab_size=size.vocabulary,
        max_position_embeddings=4096,
        tie_word_embeddings=size.tied,
    )
