"""The files of a base model: what is in them, and what is never accepted."""

import json
from pathlib import Path
from typing import Any

from finetune.errors import ConfigError

MODEL_HINT = "Choose another model from the provider's catalogue."

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
)


def read_model_config(directory: Path) -> dict[str, Any]:
    """Read config.json of a model directory; refuse models that bring code or pickled weights."""
    path = directory / "config.json"
    if not path.is_file():
        raise ConfigError("The model has no config.json.", MODEL_HINT)
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "auto_map" in config:
        raise ConfigError("The model needs code of its own, which is never run.", MODEL_HINT)
    if not any(directory.glob("*.safetensors")):
        raise ConfigError("The model has no weights in the safetensors format.", MODEL_HINT)
    return config


def maximum_length(config: dict[str, Any], wanted: int | None) -> int:
    """Tokens kept of a row: max_seq_length, which may not exceed what the model can take."""
    limit = int(config.get("max_position_embeddings", 2048))
    if wanted is None:
        return limit
    if wanted > limit:
        raise ConfigError(
            f"max_seq_length is {wanted}, but the model takes at most {limit} tokens.",
            f"Set max_seq_length to at most {limit}.",
        )
    return wanted
