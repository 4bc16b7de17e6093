"""How many tokens a model can read at once, by its config.json; the provider reads it alike."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from anneal_trainer.errors import ConfigError

RULES = json.loads(Path(__file__).with_name("positions.json").read_text(encoding="utf-8"))
"""The keys of a maximum, and the model types that count positions from after their padding id."""


def maximum_length(config: Mapping[str, Any], wanted: int | None) -> int:
    """Tokens kept of a row: max_seq_length, which may not exceed the model's own maximum."""
    limit = readable_tokens(config)
    if wanted is None:
        return limit
    if wanted > limit:
        raise ConfigError(
            f"max_seq_length is {wanted}, but the model supports at most {limit} tokens.",
            f"Set max_seq_length to at most {limit}.",
        )
    return wanted


def readable_tokens(config: Mapping[str, Any]) -> int:
    """Tokens that the model can read: RoBERTa's 514 positions begin after the padding's, at 2."""
    values = [config.get(name) for name in RULES["names"]]
    limit = int(next((value for value in values if _is_positive(value)), RULES["default"]))
    after = RULES["afterPadding"]
    if config.get("model_type") not in after["types"]:
        return limit
    padding = config.get("pad_token_id")
    return limit - 1 - max(padding if isinstance(padding, int) else 0, int(after["padding"]))


def _is_positive(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def rope_changes_after(config: Any) -> int | None:  # noqa: ANN401
    """Tokens of a row after which the model reads all rows of its batch otherwise, or None.

    A longrope has other frequencies once the longest row exceeds the original maximum (Ding et al.
    2024, arXiv:2402.13753); in transformers they are then those of the whole batch.
    """
    rope = getattr(config, "rope_parameters", None) or {}
    ropes = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    changing = [one for one in ropes if one.get("rope_type") in ("longrope", "dynamic")]
    limits = [one.get("original_max_position_embeddings") for one in changing]
    return min((limit for limit in limits if limit), default=None)
