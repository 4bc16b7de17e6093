"""Tiny models with random weights in the Hugging Face layout.

`python -m anneal_trainer.tiny_models DIR` writes them. They replace real models without a download:
when the daemon probes its trainer, in the quick start and in tests. The same version of this file
always writes the same bytes, so their hashes are stable: weights come from numpy's PCG64, whose
stream is fixed, and tokenizers from the word list beside this file.
"""

import argparse
import json
import os
import string
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer

SEED = 20240229
HIDDEN = 128
INITIAL_STD = 0.02

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

# How Qwen2 splits text before it is encoded; transformers requires it for this model type.
QWEN2_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)

# fmt: off
SUFFIXES = ("s", "es", "ed", "er", "est", "ing", "ly", "ness", "less", "ful", "able", "ment",
            "tion", "ity", "ive", "al", "ic", "y")
# fmt: on

# Channels before each of MobileNetV2's 16 blocks and after the last one.
MOBILENET_CHANNELS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)

Weights = dict[str, np.ndarray[Any, np.dtype[Any]]]


def make_tiny_qwen2(directory: Path) -> None:
    """Write tiny-qwen2: a causal LM of two layers with a byte-level BPE tokenizer for chat."""
    layers, heads, key_value_heads, inner = 2, 4, 2, 384
    vocabulary = 1536
    _write_bpe(directory, vocabulary)
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": INITIAL_STD,
        "intermediate_size": inner,
        "max_position_embeddings": 2048,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": key_value_heads,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": vocabulary,
    }
    narrow = HIDDEN // heads * key_value_heads
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, HIDDEN)}
    for layer in range(layers):
        place = f"model.layers.{layer}"
        shapes |= {
            f"{place}.input_layernorm.weight": (HIDDEN,),
            f"{place}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"{place}.self_attn.q_proj.bias": (HIDDEN,),
            f"{place}.self_attn.k_proj.weight": (narrow, HIDDEN),
            f"{place}.self_attn.k_proj.bias": (narrow,),
            f"{place}.self_attn.v_proj.weight": (narrow, HIDDEN),
            f"{place}.self_attn.v_proj.bias": (narrow,),
            f"{place}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{place}.post_attention_layernorm.weight": (HIDDEN,),
            f"{place}.mlp.gate_proj.weight": (inner, HIDDEN),
            f"{place}.mlp.up_proj.weight": (inner, HIDDEN),
            f"{place}.mlp.down_proj.weight": (HIDDEN, inner),
        }
    shapes["model.norm.weight"] = (HIDDEN,)
    _write_model(directory, config, shapes)


def make_tiny_distilbert(directory: Path) -> None:
    """Write tiny-distilbert: an encoder of two layers with a lower-case WordPiece tokenizer."""
    layers, heads, inner, positions = 2, 4, 256, 256
    vocabulary = _write_wordpiece(directory, positions)
    config = {
        "architectures": ["DistilBertForMaskedLM"],
        "model_type": "distilbert",
        "activation": "gelu",
        "attention_dropout": 0.1,
        "dim": HIDDEN,
        "dropout": 0.1,
        "hidden_dim": inner,
        "initializer_range": INITIAL_STD,
        "max_position_embeddings": positions,
        "n_heads": heads,
        "n_layers": layers,
        "pad_token_id": 0,
        "qa_dropout": 0.1,
        "seq_classif_dropout": 0.2,
        "sinusoidal_pos_embds": False,
        "tie_weights_": True,
        "torch_dtype": "float32",
        "vocab_size": vocabulary,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "distilbert.embeddings.word_embeddings.weight": (vocabulary, HIDDEN),
        "distilbert.embeddings.position_embeddings.weight": (positions, HIDDEN),
        "distilbert.embeddings.LayerNorm.weight": (HIDDEN,),
        "distilbert.embeddings.LayerNorm.bias": (HIDDEN,),
    }
    for layer in range(layers):
        place = f"distilbert.transformer.layer.{layer}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            shapes[f"{place}.attention.{name}.weight"] = (HIDDEN, HIDDEN)
            shapes[f"{place}.attention.{name}.bias"] = (HIDDEN,)
        shapes |= {
            f"{place}.sa_layer_norm.weight": (HIDDEN,),
            f"{place}.sa_layer_norm.bias": (HIDDEN,),
            f"{place}.ffn.lin1.weight": (inner, HIDDEN),
            f"{place}.ffn.lin1.bias": (inner,),
            f"{place}.ffn.lin2.weight": (HIDDEN, inner),
            f"{place}.ffn.lin2.bias": (HIDDEN,),
            f"{place}.output_layer_norm.weight": (HIDDEN,),
            f"{place}.output_layer_norm.bias": (HIDDEN,),
        }
    _write_model(directory, config, shapes)


def make_tiny_mobilenet_v2(directory: Path) -> None:
    """Write tiny-mobilenet-v2: all layers of MobileNetV2, a quarter as wide, for 64 pixels."""
    share, classes = 0.25, 10
    names = [f"class {number}" for number in range(classes)]
    config = {
        "architectures": ["MobileNetV2ForImageClassification"],
        "model_type": "mobilenet_v2",
        "classifier_dropout_prob": 0.2,
        "depth_divisible_by": 8,
        "depth_multiplier": share,
        "expand_ratio": 6,
        "finegrained_output": False,
        "first_layer_is_expansion": True,
        "hidden_act": "relu6",
        "id2label": dict(enumerate(names)),
        "image_size": 64,
        "initializer_range": INITIAL_STD,
        "label2id": {name: number for number, name in enumerate(names)},
        "layer_norm_eps": 0.001,
        "min_depth": 8,
        "num_channels": 3,
        "output_stride": 32,
        "tf_padding": True,
        "torch_dtype": "float32",
    }
    preprocessor = {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "crop_size": {"height": 64, "width": 64},
        "do_center_crop": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": 72},
    }
    _write_json(directory / "preprocessor_config.json", preprocessor)
    _write_json(directory / "config.json", config)
    weights = _mobilenet_weights(share, classes)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def _mobilenet_weights(share: float, classes: int) -> Weights:
    """Draw convolutions that preserve the signals' variance (He et al. 2015, arXiv:1502.01852)."""
    random = np.random.Generator(np.random.PCG64(SEED))
    weights: Weights = {}

    def convolve(name: str, wide: int, narrow: int, edge: int) -> None:
        shape = (wide, narrow, edge, edge)
        # A reduction is not followed by a ReLU, so it needs only half the variance.
        deviation = np.sqrt((1 if "reduce" in name else 2) / (narrow * edge * edge))
        place = f"mobilenet_v2.{name}"
        drawn = (random.standard_normal(shape) * deviation).astype(np.float32)
        weights[f"{place}.convolution.weight"] = drawn
        for key, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            weights[f"{place}.normalization.{key}"] = np.full(wide, value, np.float32)
        weights[f"{place}.normalization.num_batches_tracked"] = np.zeros((), np.int64)

    widths = [_divisible_by_8(count * share) for count in MOBILENET_CHANNELS]
    first, last = _divisible_by_8(32 * share), _divisible_by_8(1280 * share)
    convolve("conv_stem.first_conv", first, 3, 3)
    convolve("conv_stem.conv_3x3", first, 1, 3)
    convolve("conv_stem.reduce_1x1", widths[0], first, 1)
    for number, (before, after) in enumerate(pairwise(widths)):
        inner = before * 6
        convolve(f"layer.{number}.expand_1x1", inner, before, 1)
        convolve(f"layer.{number}.conv_3x3", inner, 1, 3)
        convolve(f"layer.{number}.reduce_1x1", after, inner, 1)
    convolve("conv_1x1", last, widths[-1], 1)
    head = (random.standard_normal((classes, last)) * INITIAL_STD).astype(np.float32)
    return weights | {"classifier.weight": head, "classifier.bias": np.zeros(classes, np.float32)}


def _divisible_by_8(channels: float) -> int:
    """Round as MobileNetV2 does: to a multiple of 8, never below 8 or 90 % of the number."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _write_model(
    directory: Path, config: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> None:
    """Write config.json and model.safetensors: matrices from N(0, 0.02²), norms 1, biases 0."""
    random = np.random.Generator(np.random.PCG64(SEED))
    weights: Weights = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            weights[name] = (random.standard_normal(shape) * INITIAL_STD).astype(np.float32)
        elif name.endswith("bias"):
            weights[name] = np.zeros(shape, np.float32)
        else:
            weights[name] = np.ones(shape, np.float32)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    _write_json(directory / "config.json", config)


def _write_bpe(directory: Path, vocabulary: int) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(  # type: ignore[no-untyped-call]
        vocab_size=vocabulary,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_prefix_space": False,
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "model_max_length": 2048,
        "pad_token": "<|endoftext|>",
        "unk_token": None,
    }
    _write_json(directory / "tokenizer_config.json", settings)


def _write_wordpiece(directory: Path, positions: int) -> int:
    """Write the tokenizer and return the size of its vocabulary.

    Every printable ASCII character is a piece, at the start of a word and inside it, so that any
    English text is covered.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = string.ascii_lowercase + string.digits
    pieces = [*special, *letters, *string.punctuation]
    pieces += [f"##{character}" for character in letters]
    pieces += [f"##{suffix}" for suffix in SUFFIXES]
    pieces += sorted(set(_words()))
    vocabulary = {piece: id_ for id_, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "DistilBertTokenizer",
        "clean_up_tokenization_spaces": True,
        "cls_token": "[CLS]",
        "do_lower_case": True,
        "mask_token": "[MASK]",
        "model_max_length": positions,
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }
    _write_json(directory / "tokenizer_config.json", settings)
    return len(vocabulary)


def _words() -> list[str]:
    """List common English words: first everyday words, then those of reviews."""
    return Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split()


def _corpus() -> Iterator[str]:
    """Yield text for the BPE trainer: sentences, common words more often, and sums."""
    words = list(dict.fromkeys(_words()))
    random = np.random.Generator(np.random.PCG64(SEED))
    weights = 1.0 / (np.arange(len(words)) + 10.0)
    draws = random.choice(len(words), size=(3000, 12), p=weights / weights.sum())
    for draw in draws:
        sentence = " ".join(words[index] for index in draw)
        yield sentence.capitalize() + ". "
    for first, second in random.integers(2, 100, size=(1500, 2)).tolist():
        yield f"How many are left? {first} + {second} = <<{first}+{second}={first + second}>>\n"
        yield f"She had {first} * {second} = $<<{first}*{second}={first * second}>>.\n#### {first}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


MAKERS = {
    "tiny-qwen2": make_tiny_qwen2,
    "tiny-distilbert": make_tiny_distilbert,
    "tiny-mobilenet-v2": make_tiny_mobilenet_v2,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all tiny models below a directory, each in a folder with its name."""
    parser = argparse.ArgumentParser(
        prog="python -m anneal_trainer.tiny_models", description=__doc__
    )
    parser.add_argument("directory", type=Path, help="directory for the folders")
    options = parser.parse_args(arguments)
    # One thread trains the tokenizer in one order.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for name, make in MAKERS.items():
        directory = options.directory / name
        directory.mkdir(parents=True, exist_ok=True)
        make(directory)
        print(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
