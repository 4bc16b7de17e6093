"""How the delivered model generates: settings that transformers accepts."""

import json
import re

import pytest
from test_train import replace_model

FAST = {"n_epochs": 2, "learning_rate": 5e-3, "batch_size": 4}
LORA = {**FAST, "lora": True, "lora_r": 4}
BOTH = pytest.mark.parametrize("hp", [FAST, LORA], ids=["full", "lora"])
IM_END = 2


def edit_json(path, **fields):
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **fields}))


def delivered(job, folder="out"):
    return json.loads((job.work / folder / "generation_config.json").read_text())


def warnings_of(job):
    return [event["message"] for event in job.events("warning")]


INVALID = [
    ({"temperature": 0.9, "top_p": 0.6}, {"temperature": 0.9, "top_p": 0.6, "do_sample": True},
     "do_sample was added"),
    ({"temperature": 0.9, "do_sample": False}, {"do_sample": False}, "temperature was left out"),
    ({"length_penalty": 2.0, "output_scores": True, "top_k": 9}, {"top_k": 9, "do_sample": True},
     "do_sample was added; length_penalty and output_scores were left out"),
    ({"length_penalty": 2.0, "num_beams": 2, "pad_token_id": -1},
     {"length_penalty": 2.0, "num_beams": 2}, "pad_token_id was left out"),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("given", "kept", "told"), INVALID)
def test_settings_that_contradict_each_other_are_made_valid_and_told(
    make_job, hp, given, kept, told
):
    job = make_job(hp={**hp, "n_epochs": 1})
    replace_model(job, lambda name: True)
    edit_json(job.path / "model/generation_config.json", eos_token_id=IM_END, **given)
    assert job.run() == 0
    settings = delivered(job)
    settings.pop("transformers_version")
    assert settings == {"eos_token_id": IM_END, **kept}
    assert warnings_of(job) == [f"The model's generation_config.json contradicts itself: {told}."]


def test_a_start_models_settings_are_made_valid_too(make_job, models):
    job = make_job(hp={"n_epochs": 1, "from_hf_model": "some/model"}, start="hub")
    (job.path / "start").mkdir()
    for path in (models / "tiny-qwen2").iterdir():
        (job.path / "start" / path.name).write_bytes(path.read_bytes())
    edit_json(job.path / "start/generation_config.json", temperature=0.9, top_p=0.6)
    assert job.run() == 0
    assert delivered(job)["do_sample"] is True


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("generation_config.json", {"max_new_tokens": "x"}, "cannot be loaded for causal-lm: "),
        ("generation_config.json", {"max_new_tokens": 0}, "cannot be loaded for causal-lm: "),
        ("config.json", {"torch_dtype": "int8"}, "number format of its weights is 'int8'"),
        ("config.json", {"hidden_act": 3}, "cannot be loaded for causal-lm: "),
    ],
)
def test_what_cannot_be_saved_or_loaded_ends_before_the_first_step(make_job, name, fields, message):
    job = make_job(hp=FAST)
    replace_model(job, lambda name: True)
    edit_json(job.path / "model" / name, **fields)
    assert job.run() == 2
    assert re.search(message, job.result["message"])
    assert (job.result["code"], job.result["retryable"]) == ("bad-config", False)
    assert not job.events("started")


def test_a_refused_trial_save_ends_before_the_first_step(make_job, monkeypatch):
    from transformers import GenerationConfig

    def refuse(*_, **__):
        raise ValueError("It is not valid.\nFix it.")

    monkeypatch.setattr(GenerationConfig, "save_pretrained", refuse)
    job = make_job(hp=FAST)
    assert job.run() == 2
    assert job.result["message"] == "The tuned model could not be saved: It is not valid."
    assert not job.events("started")
    assert sorted(path.name for path in job.work.iterdir()) == ["events.jsonl", "result.json"]
