"""The files of a base model: reading them, and refusing unsafe ones."""

import json
from pathlib import Path
from typing import Any

from anneal_trainer.errors import ConfigError

MODEL_HINT = "Choose another model from the provider's catalogue."

LENGTH_BYTES = 8
"""Size of the header length that a safetensors file begins with."""

MAX_HEADER_BYTES = 100_000_000
"""Maximum header size of a safetensors file, as in the safetensors library."""

MALFORMED = (ValueError, RecursionError, KeyError, TypeError, IndexError, AttributeError)
"""Errors when reading JSON of an unexpected structure."""

CARRIED_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*.jinja",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "tekken.json",
    "preprocessor_config.json",
    "LICENSE*",
    "LICENCE*",
    "NOTICE*",
    "USE_POLICY*",
)
"""Files of a base model that its tuned model has, too: of its tokenizer and its licence."""


def read_model_config(directory: Path) -> dict[str, Any]:
    """Read config.json of a model directory; refuse models with code or pickled weights."""
    config = read_config(directory)
    if not read_shapes(directory):
        raise ConfigError("The model has no weights in the safetensors format.", MODEL_HINT)
    return config


def read_config(directory: Path) -> dict[str, Any]:
    """Read config.json, possibly before the weights exist; refuse models with code."""
    path = directory / "config.json"
    if not path.is_file():
        raise ConfigError("The model has no config.json.", MODEL_HINT)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except MALFORMED:
        raise ConfigError("The model's config.json is not JSON.", MODEL_HINT) from None
    if not isinstance(config, dict):
        raise ConfigError("The model's config.json is not a JSON object.", MODEL_HINT)
    if "auto_map" in config:
        raise ConfigError("The model needs custom code, which is never run.", MODEL_HINT)
    quantization = config.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise ConfigError(
            f"The model's weights are quantized ({method or 'by an unnamed method'}), which cannot "
            "be trained.",
            "Choose the version of the model that is not quantized.",
        )
    return config


def weight_bytes(directory: Path) -> int:
    """Size of a model's weight files."""
    return sum(path.stat().st_size for path in directory.glob("*.safetensors"))


def read_shapes(directory: Path) -> dict[str, tuple[int, ...]]:
    """Read names and shapes of a model's weights from the headers of its safetensors files.

    Raises ConfigError for a file that is cut off, and for a missing file that the index names.
    """
    files = {path.name: path for path in sorted(directory.glob("*.safetensors"))}
    for index in directory.glob("*.safetensors.index.json"):
        missing = sorted(_named_files(index) - files.keys())
        if missing:
            raise ConfigError(f"The model's file {missing[0]} is missing.", MODEL_HINT)
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files.values():
        shapes |= _read_shapes(path)
    return shapes


def _named_files(index: Path) -> set[str]:
    try:
        return {str(name) for name in json.loads(index.read_bytes())["weight_map"].values()}
    except MALFORMED:
        raise ConfigError(f"The model's file {index.name} is not an index.", MODEL_HINT) from None


def _read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the header of a safetensors file: its length (8 bytes, little-endian), then JSON."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            if length > MAX_HEADER_BYTES:
                raise ValueError("the header is too long")
            header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
        ends = [int(entry["data_offsets"][1]) for entry in header.values()]
        shapes = {
            name: tuple(int(edge) for edge in entry["shape"]) for name, entry in header.items()
        }
    except MALFORMED:
        raise ConfigError(
            f"The model's file {path.name} is cut off or not a safetensors file.", MODEL_HINT
        ) from None
    promised = LENGTH_BYTES + length + max(ends, default=0)
    if size != promised:
        raise ConfigError(
            f"The model's file {path.name} has {size} bytes instead of {promised}: it is cut off.",
            MODEL_HINT,
        )
    return shapes


def carry_files(model_directory: Path, directory: Path) -> None:
    """Copy the files of tokenizer and licence, byte for byte, because training changes neither."""
    for pattern in CARRIED_FILES:
        for source in model_directory.glob(pattern):
            if source.is_file():
                target = directory / source.relative_to(model_directory)
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(source.read_bytes())
