"""How the delivered model generates: where it stops, and settings that transformers accepts."""

import json
import re

import pytest
from conftest import SUMS
from test_data import chat
from test_train import replace_model

FAST = {"n_epochs": 2, "learning_rate": 5e-3, "batch_size": 4}
LORA = {**FAST, "lora": True, "lora_r": 4}
BOTH = pytest.mark.parametrize("hp", [FAST, LORA], ids=["full", "lora"])
CHATS = [chat(("user", row["prompt"]), ("assistant", row["completion"])) for row in SUMS]
IM_END, END_OF_TEXT = 2, 0


def edit_json(path, **fields):
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **fields}))


def base_that_ends_texts(job, **generation):
    """Make the base's eos <|endoftext|>, though its template ends answers with <|im_end|>."""
    replace_model(job, lambda name: True)
    edit_json(job.path / "model/tokenizer_config.json", eos_token="<|endoftext|>")
    edit_json(job.path / "model/config.json", eos_token_id=END_OF_TEXT)
    if generation:
        edit_json(job.path / "model/generation_config.json", **generation)
    return job


def delivered(job, folder="out"):
    return json.loads((job.work / folder / "generation_config.json").read_text())


def warnings_of(job):
    return [event["message"] for event in job.events("warning")]


@BOTH
def test_the_end_that_was_trained_is_named_and_told(make_job, hp):
    job = base_that_ends_texts(make_job(rows=CHATS, hp=hp), eos_token_id=END_OF_TEXT, top_k=20,
                               do_sample=True)  # fmt: skip
    assert job.run() == 0
    assert delivered(job)["eos_token_id"] == [IM_END, END_OF_TEXT]
    assert delivered(job)["top_k"] == 20
    steps = job.result["steps"]
    assert delivered(job, f"checkpoints/step-{steps}") == delivered(job)
    (warning,) = warnings_of(job)
    assert warning.startswith("Answers end with <|im_end|>, ")
    assert job.events("started")[0]["end_tokens"] == ["<|im_end|>"]
    card = (job.work / "out/README.md").read_text()
    assert "\nAnswers end with `<|im_end|>`" in card
    assert ("GenerationConfig.from_pretrained" in card) == ("lora" in hp)


@BOTH
def test_an_end_that_the_base_names_changes_nothing(make_job, hp):
    job = base_that_ends_texts(make_job(rows=CHATS, hp=hp), eos_token_id=[END_OF_TEXT, IM_END])
    assert job.run() == 0
    assert delivered(job)["eos_token_id"] == [END_OF_TEXT, IM_END]
    assert warnings_of(job) == []


@pytest.mark.parametrize("generation", [{}, {"do_sample": True}])
def test_one_end_is_a_number(make_job, generation):
    job = base_that_ends_texts(make_job(rows=CHATS, hp=FAST), **generation)
    (job.path / "model/config.json").write_text(
        json.dumps({**json.loads((job.path / "model/config.json").read_text()),
                    "eos_token_id": None})
    )  # fmt: skip
    assert job.run() == 0
    assert delivered(job)["eos_token_id"] == IM_END


def test_a_model_whose_base_never_ends_answers_generates_what_its_samples_show(make_job):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job = base_that_ends_texts(make_job(rows=CHATS, hp={**FAST, "n_epochs": 20}))
    assert job.run() == 0
    model = AutoModelForCausalLM.from_pretrained(job.work / "out")
    tokenizer = AutoTokenizer.from_pretrained(job.work / "out")
    asked = [{"role": "user", "content": SUMS[0]["prompt"]}]
    ids = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    answer = model.generate(ids, max_new_tokens=32, do_sample=False)[0, ids.shape[1] :].tolist()
    assert answer[-1] == IM_END
    assert tokenizer.decode(answer, skip_special_tokens=True) == job.result["samples"][0]["tuned"]


def test_an_adapters_settings_load_beside_it(make_job):
    from transformers import GenerationConfig

    job = base_that_ends_texts(make_job(rows=CHATS, hp=LORA))
    assert job.run() == 0
    settings = GenerationConfig.from_pretrained(job.work / "out")
    assert settings.eos_token_id == [IM_END, END_OF_TEXT]


@BOTH
def test_a_resumed_job_names_the_same_ends(make_job, hp):
    whole, stopped = (
        base_that_ends_texts(make_job(name, rows=CHATS, hp=hp)) for name in ("whole", "stopped")
    )
    assert whole.run() == 0
    calls = iter([False, False])
    assert stopped.run(lambda: next(calls, True)) == 75
    assert stopped.run() == 0
    assert whole.files("out") == stopped.files("out")


def test_a_continued_adapter_keeps_the_ends_of_its_checkpoint(make_job):
    earlier = base_that_ends_texts(make_job("earlier", rows=CHATS, hp=LORA))
    assert earlier.run() == 0
    later = make_job("later", rows=SUMS, hp={**LORA, "from_checkpoint": "task"}, start="checkpoint")
    base_that_ends_texts(later)
    (later.path / "start").mkdir()
    for name, data in earlier.files("out").items():
        (later.path / "start" / name).write_bytes(data)
    assert later.run() == 0
    assert delivered(later)["eos_token_id"] == [IM_END, END_OF_TEXT]


def test_a_classifier_has_no_generation_settings(make_job):
    job = make_job(kind="text-classification", hp=FAST)
    assert job.run() == 0
    assert not (job.work / "out/generation_config.json").exists()
    assert "Answers end" not in (job.work / "out/README.md").read_text()


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
    assert delivered(job)["eos_token_id"] == IM_END


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
