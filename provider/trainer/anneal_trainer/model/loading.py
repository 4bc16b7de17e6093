"""The model: loaded from a directory, never from a network, and prepared for training."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from logging import ERROR, getLogger
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from anneal_trainer.errors import ConfigError, is_out_of_memory
from anneal_trainer.job import Hyperparameters, Kind
from anneal_trainer.model.adaptable import Targets, find_targets, incomplete, new_modules
from anneal_trainer.model.batch_norm import keep_statistics
from anneal_trainer.model.carried_config import BaseConfig, write_config
from anneal_trainer.model.files import MODEL_HINT, carry_files, read_config, read_model_config
from anneal_trainer.model.frozen_format import widen_the_rest
from anneal_trainer.model.generation import GENERATION_CONFIG, base_of
from anneal_trainer.model.quantized import nf4_config, settle_layers
from anneal_trainer.model.start import ADAPTER_CONFIG, read_json

AUTO_CLASSES = {
    "causal-lm": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
    "image-classification": "AutoModelForImageClassification",
}


def load_model(
    directory: Path,
    kind: Kind,
    labels: Sequence[str],
    parameters: Hyperparameters,
    start: Path | None = None,
    name: str | None = None,
    product: torch.dtype = torch.float32,
) -> nn.Module:
    """Load weights as 32-bit floats and, if requested, add a LoRA adapter.

    Frozen matrices of a causal LM stay in the format of the files if it is `product`, the one that
    matrices are multiplied in.
    Weights that the directory lacks, such as a new classification head, and the adapter are drawn
    from torch's global generator: seed it first. `labels` are the classes, empty for causal-lm.
    `start` has weights that replace those of the directory, or an adapter to continue. `name` is
    the model's in the catalogue.
    """
    from transformers import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # peft loads bitsandbytes, which would miss an accelerator for processors.
    getLogger("bitsandbytes").setLevel(ERROR)
    adapter = start if start is not None and (start / ADAPTER_CONFIG).is_file() else None
    place = directory if start is None or adapter else start
    format_ = frozen_format(place, kind, parameters, product)
    quantize = parameters.lora and parameters.quantize is not None
    model, new = _load_base(place, kind, labels, adapter, format_, quantize=quantize)
    keep_statistics(model)
    settle_layers(model)
    # What peft records as the adapter's base model; never a local path.
    model.name_or_path = parameters.from_hf_model or name  # type: ignore[assignment]
    if not parameters.lora:
        return model
    adapted = _with_adapter(model, new, kind, parameters, adapter)
    if format_ is not torch.float32 or parameters.quantize:
        widen_the_rest(adapted)
    return adapted


def frozen_format(
    directory: Path, kind: Kind, parameters: Hyperparameters, product: torch.dtype
) -> torch.dtype:
    """Choose the format of frozen matrices; `product` is that in which matrices are multiplied."""
    may_stay = kind == "causal-lm" and parameters.lora and stored_format(directory) is product
    return product if may_stay else torch.float32


def _load_base(
    directory: Path,
    kind: Kind,
    labels: Sequence[str],
    adapter: Path | None,
    format_: torch.dtype,
    *,
    quantize: bool,
) -> tuple[nn.Module, list[str]]:
    """Load a model, with the settings beside the adapter that it gets, if there are any.

    Also return its modules that start at random: a classifier's head, and more if the files lack
    more.
    """
    import transformers

    options: dict[str, Any] = {
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
        "dtype": format_,
        "output_loading_info": True,
    }
    if quantize:
        options["quantization_config"] = nf4_config()
    if labels:
        options["num_labels"] = len(labels)
        options["id2label"] = dict(enumerate(labels))
        options["label2id"] = {label: id_ for id_, label in enumerate(labels)}
        options["ignore_mismatched_sizes"] = True
    try:
        config = transformers.AutoConfig.from_pretrained(directory, local_files_only=True)
        if _needs_plain_attention(config):
            options["attn_implementation"] = "eager"
        auto = getattr(transformers, AUTO_CLASSES[kind])
        model, found = auto.from_pretrained(directory, **options)
        if adapter is not None and (adapter / GENERATION_CONFIG).is_file():
            settings = transformers.GenerationConfig.from_pretrained(adapter)
            model.generation_config = settings
    except Exception as error:  # whatever transformers makes of the model's files
        if is_out_of_memory(error):
            raise
        message = f"The model cannot be loaded for {kind}: {_first_line(error)}"
        raise ConfigError(message, MODEL_HINT) from error
    model.base_config = BaseConfig(read_config(directory), config.to_dict())
    missing = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    if kind != "causal-lm":
        return model, new_modules(model, missing)
    lacking = sorted(missing & dict(model.named_parameters()).keys())
    if lacking:
        raise incomplete(lacking)
    return model, []


def _needs_plain_attention(config: Any) -> bool:  # noqa: ANN401
    """Return whether torch's own attention would leave out a part of the model's.

    It does not cap scores (Gemma 2), and takes Falcon's linear biases for another scale.
    """
    return bool(getattr(config, "attn_logit_softcapping", None) or getattr(config, "alibi", False))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(": ")


def _with_adapter(
    model: nn.Module,
    new: Sequence[str],
    kind: Kind,
    parameters: Hyperparameters,
    start: Path | None,
) -> nn.Module:
    """Freeze the model except for a LoRA adapter (Hu et al. 2021, arXiv:2106.09685) and its head.

    The modules `new` start at random, so they are trained as a whole and saved with the adapter.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    base: nn.Module = model.base_model  # type: ignore[assignment]
    targets = find_targets(parameters.lora_trainable_modules, base)
    _check_experts(targets, parameters)
    # peft has no task type for images; without one it passes arguments on unchanged.
    task_types = {"causal-lm": TaskType.CAUSAL_LM, "text-classification": TaskType.SEQ_CLS}
    config = LoraConfig(
        task_type=task_types.get(kind),
        r=parameters.lora_r,
        lora_alpha=parameters.lora_alpha,
        lora_dropout=parameters.lora_dropout,
        use_rslora=parameters.use_rslora,
        use_dora=parameters.use_dora,
        target_modules=targets.layers,
        target_parameters=targets.experts or None,
        modules_to_save=list(new) or None,
        exclude_modules=list(_layers_below(model, new)) or None,
        revision=parameters.hf_model_revision,
    )
    adapted: nn.Module = get_peft_model(model, config)
    for layer in _adapted_convolutions(adapted):
        # TensorFlow-style padding reads these attributes of the layer that it pads for.
        for name in ("kernel_size", "stride", "dilation"):
            setattr(layer, name, getattr(layer.base_layer, name))
    if start is not None:
        _continue_adapter(adapted, config, start)
    return adapted


def _check_experts(targets: Targets, parameters: Hyperparameters) -> None:
    """Raise ConfigError for what peft cannot do with one matrix per expert."""
    if not targets.experts:
        return
    elsewhere = f"set lora_trainable_modules to {','.join(targets.layers)}."
    if parameters.lora_dropout:
        raise ConfigError(
            "lora_dropout is not 0, but adapters on experts have no dropout.",
            f"Set lora_dropout to 0, or {elsewhere}",
        )
    if parameters.use_dora:
        raise ConfigError(
            "use_dora is true, but adapters on experts cannot be decomposed.",
            f"Leave use_dora out, or {elsewhere}",
        )


def _adapted_convolutions(model: nn.Module) -> list[Any]:
    """Return peft's layers around a convolution."""
    layers = [layer for layer in model.modules() if hasattr(layer, "base_layer")]
    return [layer for layer in layers if isinstance(layer.base_layer, nn.Conv2d)]


def _layers_below(model: nn.Module, modules: Sequence[str]) -> Iterator[str]:
    """Yield the names of the layers in these modules."""
    for name, _ in model.named_modules():
        if any(f"{name}.".startswith(f"{module}.") for module in modules):
            yield name


def _continue_adapter(adapted: nn.Module, config: Any, start: Path) -> None:  # noqa: ANN401
    """Copy the weights of an earlier adapter to a new one of the same shape."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    settings = read_json(start / ADAPTER_CONFIG)
    names = {"r": "lora_r", "lora_alpha": "lora_alpha"}
    for key in ("r", "lora_alpha", "use_rslora", "use_dora"):
        name, theirs, ours = names.get(key, key), settings.get(key), getattr(config, key)
        if theirs != ours:
            raise ConfigError(
                f"The checkpoint's adapter has {name} {json.dumps(theirs)}, the job "
                f"{json.dumps(ours)}.",
                f"Set {name} to {json.dumps(theirs)}.",
            )
    modules = sorted(settings.get("target_modules") or [])
    if modules != sorted(config.target_modules):
        raise ConfigError(
            "The checkpoint's adapter is on different layers than the job's.",
            f"Set lora_trainable_modules to {','.join(modules)}.",
        )
    weights = load_file(start / "adapter_model.safetensors")
    # Embeddings are never adapted; peft would look for the base's on a hub.
    known = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    ours = {name: value.shape for name, value in known.items()}
    if {name: value.shape for name, value in weights.items()} != ours:
        raise ConfigError(
            "The checkpoint's adapter was made for another base model.",
            "Order with the base model that it was made for.",
        )
    set_peft_model_state_dict(adapted, weights)


def trainable_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that are trained, by name, each once."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def save_model(
    model: nn.Module,
    model_directory: Path,
    directory: Path,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write model or adapter and the tokenizer in the Hugging Face layout.

    An adapter on convolutions is merged into the model: on its own it could not be used with
    TensorFlow-style padding, which MobileNetV2's weights need. Weights are written in the number
    format of the base model's files. The files of its tokenizer and licence are copied. `weights`
    are those of a model in shards, by name.
    """
    stored = stored_format(model_directory)
    exported: Any = model
    if _adapted_convolutions(model):
        exported = copy.deepcopy(exported).merge_and_unload()
    # Embeddings are never adapted; to find that out, peft would otherwise connect to a hub.
    is_adapter = hasattr(exported, "peft_config")
    options = {"save_embedding_layers": False} if is_adapter else {}
    saved = {
        name: value.to(stored) if value.is_floating_point() else value
        for name, value in (weights_to_save(exported) if weights is None else weights).items()
    }
    exported.save_pretrained(directory, state_dict=saved, **options)
    if not is_adapter:
        write_config(exported, stored, directory)
    adapter = directory / "adapter_config.json"
    if adapter.exists():
        _finish_adapter(exported, stored, adapter)
    carry_files(model_directory, directory)


def weights_to_save(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a model, or of its adapter, by name; those of several layers once."""
    parameters = dict(model.named_parameters())
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    left_out = names - parameters.keys()
    if hasattr(model, "peft_config"):
        left_out |= {name for name, value in parameters.items() if not value.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in left_out}


def stored_format(model_directory: Path) -> torch.dtype:
    """Return the number format of a base model's files. Raises ConfigError for one of integers."""
    config = read_model_config(model_directory)
    name = config.get("dtype") or config.get("torch_dtype") or "float32"
    format_ = getattr(torch, name, None) if isinstance(name, str) else None
    if not isinstance(format_, torch.dtype) or not format_.is_floating_point:
        raise ConfigError(
            f"The model cannot be trained: the number format of its weights is {name!r}.",
            MODEL_HINT,
        )
    return format_


def try_save(model: nn.Module, model_directory: Path, scratch: Path) -> None:
    """Write everything but weights to a temporary folder in `scratch`, before the first step.

    Raises ConfigError if it is refused, because it would be after training, too.
    """
    stored = stored_format(model_directory)
    try:
        with TemporaryDirectory(dir=scratch) as place:
            _save_settings(model, stored, Path(place))
    except Exception as error:  # whatever transformers has against the settings
        if isinstance(error, OSError) or is_out_of_memory(error):
            raise
        message = f"The tuned model could not be saved: {_first_line(error)}"
        raise ConfigError(message, MODEL_HINT) from error


def _save_settings(model: nn.Module, stored: torch.dtype, directory: Path) -> None:
    """Write the settings of a model, or of the model under an adapter."""
    base = base_of(model)
    base.config.save_pretrained(directory)
    write_config(base, stored, directory)
    if getattr(base, "generation_config", None) is not None:
        base.generation_config.save_pretrained(directory)


def _finish_adapter(model: nn.Module, stored: torch.dtype, adapter: Path) -> None:
    """Make an adapter's files reproducible and complete.

    peft writes sets in a random hash order. The base model's settings are saved with the adapter:
    config.json contains the names of the classes, generation_config.json where to stop.
    """
    settings = json.loads(adapter.read_text(encoding="utf-8"))
    for key in ("target_modules", "target_parameters", "modules_to_save", "exclude_modules"):
        if isinstance(settings.get(key), list):
            settings[key] = sorted(settings[key])
    adapter.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    adapter.with_name("README.md").unlink(missing_ok=True)
    _save_settings(model, stored, adapter.parent)
