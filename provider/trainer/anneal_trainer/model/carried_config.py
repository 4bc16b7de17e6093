"""The config.json of a tuned model: its base's, with what training changed.

transformers 5 writes only names of its own, of which earlier versions take other values for granted
without a word: a rope_theta of 10,000, weights in 32 bits. Here readers of both find theirs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

CONFIG = "config.json"
OWN = ("dtype", "transformers_version", "_name_or_path")
"""Keys that differ without training."""


@dataclass(frozen=True)
class BaseConfig:
    """The config.json of a base model."""

    document: dict[str, Any]
    """As it is in the file."""
    values: dict[str, Any]
    """As transformers reads it."""


def write_config(model: Any, stored: torch.dtype, place: Path) -> None:  # noqa: ANN401
    """Write the config.json of a model with a `base_config`; `stored` is its number format."""
    base: BaseConfig = model.base_config
    changed = {
        key: value
        for key, value in model.config.to_dict().items()
        if key in base.values and key not in OWN and value != base.values[key]
    }
    number = str(stored).removeprefix("torch.")
    config = {
        **base.document,
        **_earlier_names(base.document),
        **changed,
        "architectures": [type(model).__name__],
        "dtype": number,
        "torch_dtype": number,
    }
    if "id2label" in changed:
        # Their number, which older files repeat.
        config.pop("num_labels", None)
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    (place / CONFIG).write_text(text + "\n", encoding="utf-8")


def _earlier_names(base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rotary embedding's parameters as transformers 4 names them, if they are not."""
    rope = base.get("rope_parameters")
    if not isinstance(rope, Mapping) or "rope_theta" in base:
        return {}
    whole, near = rope.get("full_attention"), rope.get("sliding_attention")
    if isinstance(whole, Mapping) and isinstance(near, Mapping):
        return {**_of_layers(whole), "rope_local_base_freq": near.get("rope_theta")}
    return _of_layers(rope)


def _of_layers(rope: Mapping[str, Any]) -> dict[str, Any]:
    outside = ("rope_theta", "partial_rotary_factor")
    names = {key: rope[key] for key in outside if key in rope}
    scaling = {key: value for key, value in rope.items() if key not in outside}
    if scaling.get("rope_type") == "longrope":
        original = scaling.get("original_max_position_embeddings")
        names |= {} if original is None else {"original_max_position_embeddings": original}
        factors = ("short_factor", "long_factor")
        scaling = {"type": "longrope", **{key: scaling.get(key) for key in factors}}
    if scaling.get("rope_type") != "default":
        names["rope_scaling"] = scaling
    return names
