"""Every model family, fully trained and with an adapter: it learns, and its output loads."""

import json

import pytest
import torch
from conftest import write_job

from anneal_trainer.errors import ConfigError
from anneal_trainer.model.adaptable import find_targets

# Every linear layer below the head, by the names that peft knows.
FAMILIES = {
    "qwen2": (
        "causal-lm",
        ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
    ),
    "opt": ("causal-lm", ["fc1", "fc2", "k_proj", "out_proj", "q_proj", "v_proj"]),
    "distilbert": (
        "text-classification",
        ["k_lin", "lin1", "lin2", "out_lin", "q_lin", "v_lin"],
    ),
}
AUTO = {
    "causal-lm": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
}


@pytest.fixture(scope="module")
def family_models(models, tmp_path_factory):
    """A directory with a model of every family."""
    from transformers import OPTConfig, OPTForCausalLM

    directory = tmp_path_factory.mktemp("families")
    for name in ("qwen2", "distilbert"):
        (directory / name).symlink_to(models / f"tiny-{name}")
    config = OPTConfig(
        vocab_size=1536, hidden_size=64, word_embed_proj_dim=64, ffn_dim=128,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=256,
        pad_token_id=0, bos_token_id=2, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    OPTForCausalLM(config).save_pretrained(directory / "opt")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (directory / "opt" / file).write_bytes((models / "tiny-qwen2" / file).read_bytes())
    return directory


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_and_its_output_loads_and_says_the_same(family_models, tmp_path, family, lora):
    import transformers
    from peft import PeftModel

    kind, linear = FAMILIES[family]
    hp = {"n_epochs": 6, "learning_rate": 5e-3, "batch_size": 8, "lora": lora}
    job = write_job(tmp_path / "job", family_models, kind=kind, model=family, hp=hp)
    assert job.run() == 0
    assert job.result["loss_after"] < job.result["loss_before"]

    out = job.work / "out"
    auto = getattr(transformers, AUTO[kind])
    if lora:
        settings = json.loads((out / "adapter_config.json").read_text())
        assert settings["target_modules"] == linear
        config = transformers.AutoConfig.from_pretrained(out)
        base = auto.from_pretrained(family_models / family, config=config)
        model = PeftModel.from_pretrained(base, out).eval()
    else:
        model = auto.from_pretrained(out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    for sample in job.result["samples"]:
        assert say(model, tokenizer, kind, sample) == sample["tuned"]


@torch.no_grad()
def say(model, tokenizer, kind, sample):
    """The model's answer to a sample, without our code."""
    if kind == "text-classification":
        logits = model(**tokenizer(sample["text"], return_tensors="pt")).logits
        return model.config.id2label[int(logits.argmax())]
    ids = tokenizer(sample["prompt"], return_tensors="pt", add_special_tokens=False)["input_ids"]
    answer = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False
    )
    return tokenizer.decode(answer[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_unknown_layer_is_refused_with_the_ones_there_are(family_models, tmp_path, family):
    kind, linear = FAMILIES[family]
    hp = {"lora": True, "lora_trainable_modules": "query_key_value"}
    job = write_job(tmp_path / "job", family_models, kind=kind, model=family, hp=hp)
    assert job.run() == 2
    assert job.result["message"].startswith("lora_trainable_modules names 'query_key_value'")
    assert job.result["hint"] == f"Use all-linear or some of {', '.join(linear)}."


@pytest.fixture(scope="module")
def mobile_net():
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    config = MobileNetV2Config(depth_multiplier=0.1, min_depth=4, image_size=32)
    return MobileNetV2ForImageClassification(config).base_model


def test_all_linear_is_refused_where_it_would_reach_the_classifier_only(mobile_net):
    with pytest.raises(ConfigError, match="no layer of this model is linear") as refused:
        find_targets("all-linear", mobile_net)
    assert "expand_1x1.convolution" in refused.value.hint
    assert "reduce_1x1.convolution" in refused.value.hint
    # Depthwise.
    assert "conv_3x3.convolution" not in refused.value.hint


def test_a_named_convolution_gets_an_adapter(mobile_net):
    from peft import LoraConfig, get_peft_model

    chosen = find_targets("reduce_1x1.convolution, expand_1x1.convolution", mobile_net).layers
    assert chosen == ["expand_1x1.convolution", "reduce_1x1.convolution"]
    wanted = sum(name.endswith(tuple(chosen)) for name, _ in mobile_net.named_modules())
    adapted = get_peft_model(mobile_net, LoraConfig(r=2, target_modules=chosen))
    assert sum("lora_B" in name for name, _ in adapted.named_parameters()) == wanted
