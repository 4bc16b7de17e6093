"""Tiny models of the architectures that people fine-tune, with sharp random weights.

Attention is peaked and windows and tables of positions are short, so that a long row goes
past all of them: a window, a scaling or a cap that the trainer leaves out changes the loss visibly.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import torch

POSITIONS = 96
WINDOW = 8
SHARPNESS = 1.5
"""Standard deviation of what a matrix makes of inputs of deviation 1."""
CLASSES = {
    "text-classification": ("bad", "good"),
    "image-classification": ("blue", "green", "red"),
}
EDGE = 128
"""Height and width of an image, in pixels."""


@dataclass(frozen=True)
class Architecture:
    """One architecture, with the settings that make its tiny model."""

    kind: str
    config: str
    """Name of the configuration's class in transformers."""
    settings: dict[str, Any] = field(default_factory=dict)
    adapted: str = "all-linear"
    """What an adapter is put on."""


TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
DECODER = {**TEXT, "num_key_value_heads": 2, "intermediate_size": 48}
EXPERTS = {**DECODER, "moe_intermediate_size": 24, "num_experts_per_tok": 2}
ENCODER = {
    **TEXT,
    "intermediate_size": 48,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def _decoder(config: str, **settings: Any) -> Architecture:
    return Architecture("causal-lm", f"{config}Config", {**DECODER, **settings})


def _experts(config: str, **settings: Any) -> Architecture:
    return Architecture("causal-lm", f"{config}Config", {**EXPERTS, **settings})


def _encoder(config: str, **settings: Any) -> Architecture:
    return Architecture("text-classification", f"{config}Config", {**ENCODER, **settings})


def _images(config: str, adapted: str = "all-linear", **settings: Any) -> Architecture:
    return Architecture("image-classification", f"{config}Config", settings, adapted)


def _rope(kind: str, **numbers: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 1000.0, **numbers}}


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}  # fmt: skip
LONG = {"short_factor": [1.0] * 4, "long_factor": [1.5, 2.0, 3.0, 4.0],
        "original_max_position_embeddings": 24}  # fmt: skip
FULL_AND_NEAR = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": WINDOW}

ARCHITECTURES = {
    "Llama": _decoder("Llama", **_rope("default")),
    "Llama, linear rope": _decoder("Llama", **_rope("linear", factor=4.0)),
    "Llama, dynamic rope": _decoder("Llama", **_rope("dynamic", factor=4.0)),
    "Llama, YaRN": _decoder(
        "Llama", **_rope("yarn", factor=4.0, original_max_position_embeddings=24)
    ),
    "Llama, longrope": _decoder("Llama", **_rope("longrope", factor=4.0, **LONG)),
    "Llama 3.1": _decoder("Llama", **_rope("llama3", **LLAMA3)),
    "Mistral": _decoder("Mistral", sliding_window=WINDOW),
    "Qwen2": _decoder("Qwen2"),
    "Qwen2, sliding window": _decoder("Qwen2", use_sliding_window=True, **FULL_AND_NEAR),
    "Qwen3": _decoder("Qwen3", head_dim=8),
    "Gemma": _decoder("Gemma", head_dim=8),
    "Gemma 2": _decoder("Gemma2", head_dim=8, attn_logit_softcapping=1.0,
                        final_logit_softcapping=5.0, query_pre_attn_scalar=4,
                        **FULL_AND_NEAR),
    "Gemma 3": _decoder("Gemma3Text", head_dim=8, query_pre_attn_scalar=4, **FULL_AND_NEAR),
    "Phi-3": _decoder("Phi3", sliding_window=WINDOW),
    "Phi-3 128k": _decoder("Phi3", original_max_position_embeddings=24,
                           **_rope("longrope", **LONG)),
    "Phi-4": _decoder("Phi3", sliding_window=None, num_key_value_heads=1),
    "Phi-4 mini": _decoder("Phi3", sliding_window=None, tie_word_embeddings=True,
                           **_rope("default", partial_rotary_factor=0.5)),
    "GPT-2": _decoder("GPT2", n_positions=POSITIONS, resid_pdrop=0.0, embd_pdrop=0.0,
                      attn_pdrop=0.0),
    "GPT-J": _decoder("GPTJ", n_positions=POSITIONS, rotary_dim=4, tie_word_embeddings=False),
    "GPT-Neo": _decoder("GPTNeo", attention_types=[[["global", "local"], 1]], window_size=WINDOW,
                        resid_dropout=0.0, embed_dropout=0.0, attention_dropout=0.0),
    "GPT-NeoX": _decoder("GPTNeoX", hidden_dropout=0.0, attention_dropout=0.0),
    "OPT": _decoder("OPT", ffn_dim=48, word_embed_proj_dim=32, dropout=0.0),
    "Falcon": _decoder("Falcon", multi_query=True),
    "Falcon, ALiBi": _decoder("Falcon", alibi=True, multi_query=False,
                              new_decoder_architecture=False),
    "BLOOM": _decoder("Bloom"),
    "OLMo2": _decoder("Olmo2"),
    "Granite": _decoder("Granite", attention_multiplier=0.5, embedding_multiplier=3.0,
                        logits_scaling=2.0, residual_multiplier=0.5),
    "SmolLM3": _decoder("SmolLM3", no_rope_layers=[1, 0]),
    "Cohere": _decoder("Cohere", logit_scale=0.5),
    "StarCoder2": _decoder("Starcoder2", sliding_window=WINDOW, embedding_dropout=0.0,
                           residual_dropout=0.0),
    "Mixtral": _experts("Mixtral", num_local_experts=4, sliding_window=WINDOW),
    "Mixtral, balanced": _experts("Mixtral", num_local_experts=4, output_router_logits=True,
                                  router_aux_loss_coef=0.1),
    "Qwen2-MoE": _experts("Qwen2Moe", num_experts=4, shared_expert_intermediate_size=24),
    "Qwen3-MoE": _experts("Qwen3Moe", num_experts=4, head_dim=8),
    "PhiMoE": _experts("Phimoe", num_local_experts=4, sliding_window=WINDOW,
                       router_jitter_noise=0.0, input_jitter_noise=0.0),
    "OLMoE": _experts("Olmoe", num_experts=4),
    "gpt-oss": _experts("GptOss", num_local_experts=4, head_dim=8, **FULL_AND_NEAR,
                        **_rope("yarn", factor=4.0, original_max_position_embeddings=24)),
    "DeepSeek-V3": _experts("DeepseekV3", n_routed_experts=4, n_shared_experts=1, n_group=2,
                            topk_group=1, first_k_dense_replace=1, q_lora_rank=16,
                            kv_lora_rank=16, qk_rope_head_dim=4, qk_nope_head_dim=8,
                            v_head_dim=8, num_key_value_heads=4),
    "Mamba": _decoder("Mamba", state_size=8),
    "Falcon-H1": _decoder("FalconH1", mamba_d_ssm=32, mamba_n_heads=4, mamba_d_head=8,
                          mamba_n_groups=1, mamba_d_state=8, mamba_chunk_size=16, head_dim=8),
    "BERT": _encoder("Bert"),
    "RoBERTa": _encoder("Roberta"),
    "XLM-R": _encoder("XLMRoberta"),
    "MPNet": _encoder("MPNet"),
    "ALBERT": _encoder("Albert", embedding_size=16, classifier_dropout_prob=0.0),
    "DeBERTa-v3": _encoder("DebertaV2", relative_attention=True, position_buckets=8,
                           norm_rel_ebd="layer_norm", share_att_key=True,
                           pos_att_type=["p2c", "c2p"],
                           position_biased_input=False, pooler_dropout=0.0,
                           max_relative_positions=-1, pooler_hidden_size=32),
    "ModernBERT": _encoder("ModernBert", local_attention=WINDOW, global_attn_every_n_layers=2,
                           cls_token_id=2, sep_token_id=3),
    "DistilBERT": _encoder("DistilBert", dim=32, n_layers=2, n_heads=4, hidden_dim=48, dropout=0.0,
                           attention_dropout=0.0, seq_classif_dropout=0.0),
    "ELECTRA": _encoder("Electra", embedding_size=16),
    "Qwen2, classifier": Architecture("text-classification", "Qwen2Config", DECODER),
    "MobileNetV2": _images("MobileNetV2", "expand_1x1.convolution", depth_multiplier=0.1,
                           min_depth=4, classifier_dropout_prob=0.0),
    "ResNet": _images("ResNet", "0.convolution,1.convolution", embedding_size=8,
                      hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"),
    "ViT": _images("ViT", hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                   intermediate_size=48, patch_size=8),
    "ConvNeXt": _images("ConvNext", hidden_sizes=[8, 16], depths=[1, 1], num_stages=2,
                        drop_path_rate=0.0),
    "LeViT": _images("Levit", hidden_sizes=[16, 24, 32], num_attention_heads=[2, 3, 4],
                     depths=[1, 1, 1], key_dim=[8, 8, 8], drop_path_rate=0,
                     architectures=["LevitForImageClassification"],
                     mlp_ratio=[2, 2, 2], attention_ratio=[2, 2, 2]),
}  # fmt: skip

AUTO_CLASSES = {
    "causal-lm": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
    "image-classification": "AutoModelForImageClassification",
}

PREPROCESSOR = {
    "do_resize": True,
    "size": {"height": EDGE, "width": EDGE},
    "do_normalize": True,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "resample": 2,
}


def make_model(architecture, directory, tokenizer):
    """Write a tiny model; `tokenizer` is a folder with the files of one, or None for images."""
    import transformers

    torch.manual_seed(0)
    settings = dict(architecture.settings)
    if architecture.kind == "image-classification":
        settings["image_size"] = EDGE
    else:
        settings["vocab_size"] = len(json.loads((tokenizer / "tokenizer.json").read_text())
                                     ["model"]["vocab"]) + 8  # fmt: skip
        for name in ("tokenizer.json", "tokenizer_config.json"):
            directory.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes((tokenizer / name).read_bytes())
    if architecture.kind != "causal-lm":
        settings["id2label"] = dict(enumerate(CLASSES[architecture.kind]))
        settings["label2id"] = {
            name: number for number, name in enumerate(CLASSES[architecture.kind])
        }
    config = getattr(transformers, architecture.config)(**settings)
    model = getattr(transformers, AUTO_CLASSES[architecture.kind]).from_config(config)
    sharpen(model, 1.0 if architecture.kind == "image-classification" else SHARPNESS)
    if architecture.kind == "image-classification":
        measure_statistics(model)
    model.save_pretrained(directory)
    if architecture.kind == "image-classification":
        (directory / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))


@torch.no_grad()
def measure_statistics(model):
    """Give batch normalizations the statistics of random images, as pretraining would."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
    model.train()(pixel_values=torch.randn(4, 3, EDGE, EDGE))


def sharpen(model, sharpness):
    """Scale matrices: what they make of inputs of deviation 1 has the deviation `sharpness`."""
    for name, weight in model.named_parameters():
        if weight.ndim < 2 or not weight.is_floating_point() or "A_log" in name:
            continue
        spread = weight.detach().std()
        inputs = weight[0].numel()
        is_table = "embed" in name or "wte" in name or "wpe" in name
        wanted = 1.0 if is_table else sharpness / inputs**0.5
        weight.data.mul_(wanted / spread if spread > 0 else 1.0)
