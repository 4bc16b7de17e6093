"""Checks that the weights in start/ can replace the base model's.

They come from a checkpoint of an earlier task or from a hub repository. Rows are encoded and billed
with the base model's tokenizer, so the weights must have the same architecture and vocabulary.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anneal_trainer.errors import ConfigError
from anneal_trainer.job import Job
from anneal_trainer.model.files import read_model_config, read_shapes

ADAPTER_CONFIG = "adapter_config.json"
DIMENSIONS = ("hidden_size", "intermediate_size", "num_hidden_layers", "dim", "n_layers")
"""Values of a configuration that determine the shapes of weights."""
NAMED = 5
"""Maximum number of differences that an error lists."""


def check_start(job: Job, labels: Sequence[str]) -> None:
    """Refuse start weights that do not fit the job; `labels` are the dataset's classes."""
    start = job.start_directory
    if start is None:
        return
    if job.start == "checkpoint" and labels:
        _check_labels(start, labels)
    if (start / ADAPTER_CONFIG).is_file():
        _check_adapter(job)
        return
    if job.start == "checkpoint" and job.hyperparameters.lora:
        raise ConfigError(
            "The checkpoint is a whole model, so an adapter on it would not fit the base model.",
            "Leave lora out, or start from an adapter's checkpoint.",
        )
    differences = list(_differences(job.model_directory, start))
    if differences:
        raise other_architecture(_name(job), differences)


def other_architecture(name: str, differences: Sequence[str]) -> ConfigError:
    """Return the error about start weights that do not fit the base model."""
    shown = "; ".join(differences[:NAMED])
    more = f"; and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
    return ConfigError(
        f"{name} does not have the base model's architecture: {shown}{more}.",
        "Order with the base model that it was made from.",
    )


def _name(job: Job) -> str:
    return job.hyperparameters.from_hf_model or job.hyperparameters.from_checkpoint or "start/"


def _check_labels(start: Path, labels: Sequence[str]) -> None:
    names = read_json(start / "config.json").get("id2label", {})
    known = [names[key] for key in sorted(names, key=int)]
    if known != list(labels):
        raise ConfigError(
            f"The checkpoint's classes are {', '.join(known)}; the dataset's {', '.join(labels)}.",
            "Use the same labels, or start from the base model.",
        )


def _check_adapter(job: Job) -> None:
    if job.start == "hub":
        raise ConfigError(
            f"{_name(job)} contains an adapter, not a model.", "Name the model that it belongs to."
        )
    if not job.hyperparameters.lora:
        raise ConfigError(
            "The checkpoint is a LoRA adapter, but lora is not true.",
            "Set lora to true and do not change the adapter's other settings.",
        )


def _differences(base: Path, start: Path) -> Iterator[str]:
    """Yield the differences between two models, except for their heads."""
    ours, theirs = read_model_config(base), read_model_config(start)
    yield from config_differences(ours, theirs)
    yield from _vocabulary_differences(base / "tokenizer.json", start / "tokenizer.json")
    yield from _shape_differences(read_shapes(base), read_shapes(start))


def config_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences between two architectures, without their weights."""
    shared = [key for key in DIMENSIONS if key in ours and key in theirs]
    for key in ("model_type", "vocab_size", *shared):
        if ours.get(key) != theirs.get(key):
            yield f"{key} is {theirs.get(key)} instead of {ours.get(key)}"


def _shape_differences(
    ours: Mapping[str, tuple[int, ...]], theirs: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    """Compare weights; a whole module that only one of the two models has is a head."""
    modules = {name.partition(".")[0] for name in ours} & {
        name.partition(".")[0] for name in theirs
    }
    if not modules:
        yield "it has no weights of the same names"
    for name in sorted(ours.keys() | theirs.keys()):
        if name.partition(".")[0] not in modules:
            continue
        if name not in theirs:
            yield f"it has no {name}"
        elif name not in ours:
            yield f"it has {name}, which the base model does not have"
        elif ours[name] != theirs[name]:
            yield f"{name} is {list(theirs[name])} instead of {list(ours[name])}"


def _vocabulary_differences(base: Path, start: Path) -> Iterator[str]:
    """Compare the ids of tokens; start weights without a tokenizer are not checked."""
    if not (base.is_file() and start.is_file()):
        return
    ours, theirs = _vocabulary(base), _vocabulary(start)
    if ours == theirs:
        return
    tokens = {token for token, _ in ours.items() ^ theirs.items()}
    first = min(tokens)
    yield (
        f"{len(tokens)} tokens have different ids, such as {first!r} "
        f"({theirs.get(first)} instead of {ours.get(first)})"
    )


def _vocabulary(path: Path) -> dict[str, int]:
    document = read_json(path)
    vocabulary = document.get("model", {}).get("vocab", {})
    if isinstance(vocabulary, list):
        # Unigram models list pairs of token and score.
        vocabulary = {entry[0]: id_ for id_, entry in enumerate(vocabulary)}
    added = {token["content"]: token["id"] for token in document.get("added_tokens", [])}
    return {**vocabulary, **added}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of start weights. Raises ConfigError if there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"start/{path.name} is missing or not JSON.", "Start from other weights."
        ) from None
    return content
