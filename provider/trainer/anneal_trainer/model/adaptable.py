"""What an adapter can be put on, and the weights that are trained beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from anneal_trainer.errors import ConfigError
from anneal_trainer.model.files import MODEL_HINT

STATE_SPACE_MODELS = ("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h")
"""Model types that read these layers' weights past an adapter, which would have no effect."""
STATE_SPACE_LAYERS = ("conv1d", "dt_proj", "out_proj")


@dataclass(frozen=True)
class Targets:
    """What gets an adapter, by the names that peft knows."""

    layers: list[str]
    """Names of modules."""
    experts: list[str]
    """Names of parameters that hold one matrix per expert."""


def find_targets(wanted: str, base: nn.Module) -> Targets:
    """Return what gets an adapter, without the heads.

    Raises ConfigError with the valid names for a name that the model does not have, and for
    all-linear if no layer is linear.
    """
    linear, convolutions = _linear_layers(base), _convolutions(base)
    experts = _expert_matrices(base)
    available = sorted([*linear, *experts] or convolutions)
    if wanted == "all-linear":
        if linear or experts:
            return Targets(sorted(linear), sorted(experts))
        raise ConfigError(
            "lora_trainable_modules is all-linear, but no layer of this model is linear.",
            f"Name some of {', '.join(available)}.",
        )
    names = {name.strip() for name in wanted.split(",")}
    for name in sorted(names):
        if name not in available:
            raise ConfigError(
                f"lora_trainable_modules names {name!r}, which this model does not have.",
                f"Use {'all-linear or ' if linear else ''}some of {', '.join(available)}.",
            )
    return Targets(sorted(names - experts), sorted(names & experts))


def describe_adapter(model: nn.Module) -> dict[str, Any]:
    """Return what an adapter is on, as `adapted` of the event `started`; nothing without adapter.

    `layers` are names, `share` is the share of the model's weights that are in them.
    """
    configs = getattr(model, "peft_config", None)
    if configs is None:
        return {}
    (config,) = configs.values()
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]
    adapted = sum(_adapted_weight(layer).numel() for layer in layers)
    everything = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if "lora_" not in name and "modules_to_save" not in name
    )
    names = sorted([*config.target_modules, *(config.target_parameters or ())])
    return {"adapted": {"layers": names, "share": round(adapted / everything, 4)}}


def _adapted_weight(layer: Any) -> Tensor:  # noqa: ANN401
    """Return what an adapter of peft is on: a parameter of a module, or a layer's matrix."""
    weight: Tensor = (
        layer.get_param() if hasattr(layer, "get_param") else layer.get_base_layer().weight
    )
    return weight


def _linear_layers(base: nn.Module) -> set[str]:
    """Return the last names of linear layers; routers choose experts and are not adapted."""
    from transformers.pytorch_utils import Conv1D

    names: set[str] = set()
    routers: set[str] = set()
    for name, module in base.named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            is_router = type(module).__name__.endswith("Router")
            (routers if is_router else names).add(name.rsplit(".", 1)[-1])
    kind = getattr(getattr(base, "config", None), "model_type", None)
    unusable = STATE_SPACE_LAYERS if kind in STATE_SPACE_MODELS else ()
    return names - routers - set(unusable)


def _convolutions(base: nn.Module) -> set[str]:
    """Return names of convolutions, but for depthwise ones, which no low rank makes smaller."""
    return {
        # The module's own name may be the same everywhere; that of its layer is specific.
        ".".join(name.split(".")[-2:])
        for name, module in base.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups == 1
    }


def _expert_matrices(base: nn.Module) -> set[str]:
    """Return the names of parameters with one matrix per expert: (experts, rows, columns)."""
    return {
        f"{name.rsplit('.', 1)[-1]}.{key}"
        for name, module in base.named_modules()
        if type(module).__name__.endswith("Experts")
        for key, weight in module.named_parameters(recurse=False)
        if weight.ndim == 3
    }


def new_modules(model: nn.Module, missing: Iterable[str]) -> list[str]:
    """Return the modules of a classifier that start at random: its head, and a pooler without base.

    They are trained and delivered whole. `missing` are the names of the weights that the base
    lacks. Raises ConfigError if it lacks only a part of a module: its files are not complete.
    """
    known = dict(model.named_parameters())
    lacking = {name for name in missing if name in known}
    heads = _heads(model)
    body = [name for name in sorted(lacking) if not _is_below(name, heads)]
    modules = sorted({".".join(name.split(".")[:2]) for name in body})
    for module in modules:
        if {name for name in known if _is_below(name, [module])} - lacking:
            raise incomplete(body)
    return [*heads, *modules]


def _heads(model: nn.Module) -> list[str]:
    """Return the modules beside the body that have weights."""
    return [
        name
        for name, module in model.named_children()
        if module is not model.base_model and any(True for _ in module.parameters())
    ]


def _is_below(name: str, modules: Iterable[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def incomplete(names: Sequence[str]) -> ConfigError:
    """Return the error about a model without these weights."""
    more = f" and {len(names) - 1} more weights" if len(names) > 1 else ""
    return ConfigError(
        f"The model's files lack {names[0]}{more}, which would start at random.", MODEL_HINT
    )
