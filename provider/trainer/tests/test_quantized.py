"""Less memory: bases in 4 bits, moments in 8, and adapters of other kinds."""

import json

import pytest
import torch
from conftest import SUMS

from anneal_trainer import train
from anneal_trainer.model import loading

HP = {"lora": True, "n_epochs": 6, "learning_rate": 5e-3, "batch_size": 8}
WAYS = {
    "nf4": {"quantize": "nf4"},
    "8bit": {"optimizer": "adamw_8bit"},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "all": {"quantize": "nf4", "optimizer": "adamw_8bit", "use_rslora": True, "use_dora": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_it_learns_and_its_adapter_says_the_same_on_the_base(make_job, models, way):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job = make_job(rows=SUMS, hp={**HP, **WAYS[way]})
    assert job.run() == 0, job.result
    assert job.result["loss_after"] < 0.95 * job.result["loss_before"]
    out = job.work / "out"
    settings = json.loads((out / "adapter_config.json").read_text())
    assert settings["use_rslora"] is WAYS[way].get("use_rslora", False)
    assert settings["use_dora"] is WAYS[way].get("use_dora", False)
    if "quantize" in WAYS[way]:
        return  # the base was rounded for the training, so that answers may differ
    base = AutoModelForCausalLM.from_pretrained(models / "tiny-qwen2")
    model = PeftModel.from_pretrained(base, out).eval()
    tokenizer = AutoTokenizer.from_pretrained(out)
    for sample in job.result["samples"]:
        ids = tokenizer(sample["prompt"], return_tensors="pt", add_special_tokens=False).input_ids
        answer = model.generate(input_ids=ids, max_new_tokens=32, do_sample=False)
        text = tokenizer.decode(answer[0, ids.shape[1] :], skip_special_tokens=True)
        assert text == sample["tuned"]


def test_all_weights_are_trained_with_moments_in_8_bits_too(make_job, monkeypatch):
    optimizers = []
    make = train._make_optimizer

    def spy(*arguments):
        optimizers.append(make(*arguments))
        return optimizers[-1]

    monkeypatch.setattr(train, "_make_optimizer", spy)
    job = make_job(rows=SUMS, hp={"n_epochs": 4, "learning_rate": 2e-3, "optimizer": "adamw_8bit"})
    assert job.run() == 0, job.result
    assert job.result["loss_after"] < job.result["loss_before"]
    states = [state for state in optimizers[0].state.values() if state["state1"].numel() >= 4096]
    assert states
    assert all(state["state1"].dtype is torch.uint8 for state in states)


def test_a_base_in_4_bits_takes_a_fraction_of_the_memory(make_job, monkeypatch):
    sizes = {}
    load = loading.load_model

    for way in ("nf4", "8bit"):

        def spy(*arguments, way=way):
            model = load(*arguments)
            layers = [
                weight
                for name, weight in model.named_parameters()
                if "base_layer.weight" in name and not weight.requires_grad
            ]
            sizes[way] = sum(weight.nbytes for weight in layers)
            return model

        monkeypatch.setattr(train, "load_model", spy)
        assert make_job(way, rows=SUMS[:4], hp={**HP, "n_epochs": 1, **WAYS[way]}).run() == 0
    assert sizes["nf4"] * 8 == sizes["8bit"]


@pytest.mark.parametrize("way", ["nf4", "8bit"])
def test_a_stopped_run_continues_to_the_same_result(make_job, way):
    hp = {**HP, "n_epochs": 3, **WAYS[way]}
    whole, stopped = (make_job(name, rows=SUMS, hp=hp) for name in ("whole", "stopped"))
    assert whole.run() == 0
    assert stopped.run(is_stopped=lambda: bool(stopped.events("progress"))) != 0
    assert stopped.run() == 0
    assert whole.result["loss_after"] == stopped.result["loss_after"]
    name = "adapter_model.safetensors"
    assert whole.files("out")[name] == stopped.files("out")[name]


def test_an_adapter_is_saved_without_a_copy_of_its_base(make_job, monkeypatch):
    monkeypatch.setattr(loading, "copy", None)
    monkeypatch.setattr(loading, "stored_format", lambda _: torch.bfloat16)
    job = make_job(rows=SUMS[:4], hp={**HP, "n_epochs": 1, "packing": False})
    assert job.run() == 0, job.result
