"""How the tuned model generates: the settings in its generation_config.json."""

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from transformers import GenerationConfig

GENERATION_CONFIG = "generation_config.json"

SWITCHES = ("do_sample", "num_beams", "return_dict_in_generate", "use_cache")
"""The settings that decide which others are valid."""


def base_of(model: nn.Module) -> Any:  # noqa: ANN401
    """Return the model under an adapter, or the model itself if it has none."""
    return model.get_base_model() if hasattr(model, "peft_config") else model  # type: ignore[operator]


def settle_generation(model: nn.Module, ends: Mapping[str, int]) -> list[str]:
    """Make the settings valid together, and stop at the tokens `ends` (text to id).

    Models that do not generate text stay as they are. Returns what was changed, one sentence each.
    """
    base = base_of(model)
    given = getattr(base, "generation_config", None)
    if given is None:
        return []
    base.generation_config = settings = given if _is_valid(given) else _valid_part(given)
    notices = [] if settings is given else [_describe_changes(given, settings)]
    known = _as_list(settings.eos_token_id)
    added = [text for text, id_ in ends.items() if id_ not in known]
    if added:
        stops = list(dict.fromkeys([*ends.values(), *known]))
        settings.eos_token_id = stops if len(stops) > 1 else stops[0]
        notices.append(
            f"Answers end with {' or '.join(added)}, which the model's settings did not name: "
            f"eos_token_id in {GENERATION_CONFIG} now does."
        )
    if notices:
        # Else readers of an older transformers prefer config.json, which lacks the changes.
        settings._from_model_config = None
    return notices


def _as_list(ids: int | Sequence[int] | None) -> list[int]:
    if ids is None:
        return []
    return [ids] if isinstance(ids, int) else list(ids)


def _is_valid(settings: "GenerationConfig") -> bool:
    """Return whether transformers would save the settings."""
    try:
        settings.validate(strict=True)
    except ValueError:
        return False
    return True


def _valid_part(given: "GenerationConfig") -> "GenerationConfig":
    """Keep the values that are valid together, with do_sample if they need it and it was not set.

    Values are taken one by one in a fixed order, those that others depend on first.
    """
    valid = type(given)()
    for name in sorted(_set_names(given), key=lambda name: (name not in SWITCHES, name)):
        tried = copy.deepcopy(valid)
        setattr(tried, name, getattr(given, name))
        if given.do_sample is None and not _is_valid(tried):
            tried.do_sample = True
        valid = tried if _is_valid(tried) else valid
    return valid


def _set_names(settings: "GenerationConfig") -> set[str]:
    """Return the names of the values that are not the default."""
    return {name for name in settings.to_diff_dict() if not name.startswith("_")}


def _describe_changes(given: "GenerationConfig", valid: "GenerationConfig") -> str:
    added = ["do_sample was added"] if valid.do_sample is not given.do_sample else []
    lost = sorted(_set_names(given) - _set_names(valid))
    verb = "were" if len(lost) > 1 else "was"
    left_out = [f"{' and '.join(lost)} {verb} left out"] if lost else []
    changes = "; ".join([*added, *left_out])
    return f"The model's {GENERATION_CONFIG} contradicts itself: {changes}."
