"""Architectures: the same results as transformers, whole outputs, or a refusal that says why.

`npm run test:matrix` examines all of them; here are those that differ most.
"""

import inspect
import json
from dataclasses import asdict

import pytest
import torch
from architectures import ARCHITECTURES, POSITIONS, make_model
from conftest import REVIEWS, write_job
from matrix import INTRODUCTION, PAGE, TEXTS, examine, plain_model, render_line
from matrix import REVIEWS as LONG_REVIEWS
from safetensors.torch import load_file, save_file
from test_generation import edit_json
from test_train import replace_model

from anneal_trainer.model.positions import RULES, readable_tokens

REPRESENTATIVE = [
    "Llama, longrope",
    "Gemma 2",
    "GPT-2",
    "GPT-Neo",
    "Falcon, ALiBi",
    "Mixtral, balanced",
    "PhiMoE",
    "gpt-oss",
    "Mamba",
    "RoBERTa",
    "ModernBERT",
    "LeViT",
]
FAST = {"n_epochs": 1, "batch_size": 4, "learning_rate": 1e-3}
LORA = {**FAST, "lora": True, "lora_r": 4}


@pytest.fixture(scope="module")
def tiny(models, tmp_path_factory):
    """A folder with the models of architectures, made when they are asked for."""
    directory = tmp_path_factory.mktemp("architectures")
    tokenizers = {"causal-lm": "tiny-qwen2", "text-classification": "tiny-distilbert"}

    def make(name):
        if not (directory / name).exists():
            architecture = ARCHITECTURES[name]
            tokenizer = tokenizers.get(architecture.kind)
            make_model(architecture, directory / name, tokenizer and models / tokenizer)
        return directory

    return make


def job_of(name, tiny, tmp_path, hp, **settings):
    kind = ARCHITECTURES[name].kind
    return write_job(tmp_path / "job", tiny(name), kind=kind, model=name, hp=hp, **settings)


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_the_loss_is_that_of_transformers_and_of_the_output(name, tiny, tmp_path):
    cells = examine(name, tiny(name), tmp_path)
    assert {(cell.outcome, cell.note) for cell in cells if cell.outcome != "exact"} == set()
    assert len(cells) == 4
    assert render_line(name, [asdict(cell) for cell in cells]) in PAGE.read_text().splitlines()


def test_the_page_lists_all_architectures():
    lines = PAGE.read_text().removeprefix(INTRODUCTION).splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(ARCHITECTURES)


@pytest.mark.parametrize(
    ("name", "usable"), [("GPT-2", POSITIONS), ("RoBERTa", POSITIONS - 2), ("MPNet", POSITIONS - 2)]
)
def test_rows_are_cut_to_the_positions_that_a_row_can_have(name, usable, tiny, tmp_path):
    rows = LONG_REVIEWS if ARCHITECTURES[name].kind == "text-classification" else TEXTS
    job = job_of(name, tiny, tmp_path, FAST, rows=rows)
    assert job.run() == 0
    told = [event["message"] for event in job.events("warning")]
    assert f"train.jsonl: 1 of 4 rows were cut to {usable} tokens." in told


def test_the_architectures_that_count_positions_after_their_padding_are_known():
    """They have a function for it in transformers."""
    import transformers.models.auto.modeling_auto as auto

    counting = set()
    for kind, name in auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.items():
        names = [name] if isinstance(name, str) else name
        module = inspect.getmodule(getattr(__import__("transformers"), names[0]))
        source = inspect.getsource(module)
        # ESM's positions are rotary.
        if "def create_position_ids_from_input" in source and kind != "esm":
            counting.add(kind)
    counting -= {"layoutlmv3"}  # which reads pictures of pages
    assert counting == set(RULES["afterPadding"]["types"])


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024),
        ({"model_type": "mpt", "max_seq_len": 4096}, 4096),
        ({"model_type": "mamba"}, 2048),
        ({"max_position_embeddings": -1}, 2048),
        ({"max_position_embeddings": True, "n_positions": 7}, 7),
    ],
)
def test_the_maximum_length_is_read_by_every_name_that_it_has(config, tokens):
    assert readable_tokens(config) == tokens


def test_a_pooler_that_the_base_lacks_is_trained_and_delivered(tiny, tmp_path):
    job = job_of("BERT", tiny, tmp_path, {**LORA, "n_epochs": 3}, rows=REVIEWS)
    replace_model(job, lambda name: True)
    path = job.path / "model/model.safetensors"
    weights = load_file(path)
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, path, metadata={"format": "pt"})
    assert job.run() == 0
    delivered = load_file(job.work / "out/adapter_model.safetensors")
    assert "base_model.model.bert.pooler.dense.weight" in delivered
    # Whatever else a loaded base starts with at random is replaced.
    outputs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = plain_model("text-classification", job.path / "model", job.work / "out")
        with torch.no_grad():
            outputs.append(model(input_ids=torch.tensor([[2, 40, 50, 3]])).logits)
    assert torch.equal(*outputs)


@pytest.mark.parametrize(
    ("name", "dropped"),
    [("Llama", "model.norm.weight"), ("BERT", "bert.encoder.layer.1.output.dense.weight")],
)
def test_a_base_without_some_of_its_weights_is_refused(name, dropped, tiny, tmp_path):
    job = job_of(name, tiny, tmp_path, FAST)
    replace_model(job, lambda name: True)
    path = job.path / "model/model.safetensors"
    weights = load_file(path)
    del weights[dropped]
    save_file(weights, path, metadata={"format": "pt"})
    assert job.run() == 2
    assert job.result["message"] == (
        f"The model's files lack {dropped}, which would start at random."
    )


@pytest.mark.parametrize("method", ["gptq", "awq", "mxfp4"])
def test_a_quantized_base_is_refused_by_the_name_of_its_method(make_job, method):
    job = make_job(hp=FAST)
    replace_model(job, lambda name: True)
    edit_json(job.path / "model/config.json", quantization_config={"quant_method": method})
    assert job.run() == 2
    assert method in job.result["message"]
    assert "not quantized" in job.result["hint"]


def test_an_adapter_names_its_base_as_the_catalogue_does(make_job):
    job = make_job(hp=LORA, model_name="Llama-3.2-1B")
    assert job.run() == 0
    settings = json.loads((job.work / "out/adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "Llama-3.2-1B"


LEGACY = {"rope_theta": 1_000_000.0, "torch_dtype": "float32", "transformers_version": "4.44.0"}


@pytest.mark.parametrize("hp", [FAST, LORA], ids=["full", "lora"])
def test_config_json_is_the_base_s_with_what_training_changed(make_job, hp):
    """So that readers of before and after transformers 5 find their own names."""
    job = make_job(hp=hp)
    replace_model(job, lambda name: True)
    edit_json(job.path / "model/config.json", custom_note="kept", **LEGACY)
    base = json.loads((job.path / "model/config.json").read_text())
    assert job.run() == 0
    tuned = json.loads((job.work / "out/config.json").read_text())
    assert tuned == {**base, "dtype": "float32"}


@pytest.mark.parametrize("hp", [FAST, LORA], ids=["full", "lora"])
def test_files_of_tokenizer_and_licence_are_carried_byte_for_byte(make_job, hp):
    job = make_job(hp=hp)
    replace_model(job, lambda name: True)
    carried = {
        name: f"bytes of {name}".encode()
        for name in ("tokenizer.model", "spiece.model", "tekken.json", "LICENSE", "LICENSE.txt",
                     "NOTICE", "USE_POLICY.md", "additional_chat_templates/tool_use.jinja")
    }  # fmt: skip
    (job.path / "model/additional_chat_templates").mkdir()
    for name, content in {**carried, "training_args.bin": b"not"}.items():
        (job.path / "model" / name).write_bytes(content)
    assert job.run() == 0
    delivered = job.files("out")
    assert {name: delivered.get(name) for name in carried} == carried
    assert "training_args.bin" not in delivered


def test_all_linear_reaches_experts(tiny, tmp_path):
    job = job_of("Mixtral", tiny, tmp_path, LORA, rows=TEXTS)
    assert job.run() == 0
    settings = json.loads((job.work / "out/adapter_config.json").read_text())
    assert settings["target_parameters"] == ["experts.down_proj", "experts.gate_up_proj"]
    (started,) = job.events("started")
    assert started["adapted"]["layers"] == [
        "experts.down_proj", "experts.gate_up_proj", "k_proj", "o_proj", "q_proj", "v_proj",
    ]  # fmt: skip
    assert 0.1 < started["adapted"]["share"] < 1


@pytest.mark.parametrize(
    ("hp", "message", "hint"),
    [
        (
            {"lora_dropout": 0.1},
            "lora_dropout is not 0, but adapters on experts have no dropout.",
            "Set lora_dropout to 0, or",
        ),
        (
            {"use_dora": True},
            "use_dora is true, but adapters on experts cannot be decomposed.",
            "Leave use_dora out, or",
        ),
    ],
)
def test_what_adapters_on_experts_cannot_do_is_refused(tiny, tmp_path, hp, message, hint):
    job = job_of("Mixtral", tiny, tmp_path, {**LORA, **hp}, rows=TEXTS)
    assert job.run() == 2
    assert job.result["message"] == message
    attention = "k_proj,o_proj,q_proj,v_proj"
    assert job.result["hint"] == f"{hint} set lora_trainable_modules to {attention}."


def test_experts_train_to_the_same_bytes_again(tiny, tmp_path):
    one, other = (
        job_of("Qwen3-MoE", tiny, tmp_path / name, LORA, rows=TEXTS) for name in ("one", "other")
    )
    assert (one.run(), other.run()) == (0, 0)
    assert one.files("out") == other.files("out")


def test_rows_that_change_each_other_are_trained_one_at_a_time(tiny, tmp_path):
    job = job_of("Phi-3 128k", tiny, tmp_path, FAST, rows=TEXTS)
    assert job.run() == 0
    told = [event["message"] for event in job.events("warning")]
    assert any(message.startswith("Batches have one row, 4 of them a step") for message in told)
    (started,) = job.events("started")
    assert started["batch_size"] == 1
    assert started["total"] == 1


@pytest.mark.parametrize("added", [0, 9])
def test_a_classifier_pads_with_an_id_that_it_has(added, tiny, tmp_path):
    """A decoder finds the end of a row by its padding; tokenizers may have more ids than it has."""
    job = job_of("Qwen2, classifier", tiny, tmp_path, FAST)
    replace_model(job, lambda name: True)
    edit_json(job.path / "model/config.json", pad_token_id=None)
    if added:
        path = job.path / "model/tokenizer.json"
        tokenizer = json.loads(path.read_text())
        first, tokens = len(tokenizer["model"]["vocab"]), tokenizer["added_tokens"]
        tokens += [
            {**tokens[0], "id": first + number, "content": f"<pad{number}>"}
            for number in range(added)
        ]
        path.write_text(json.dumps(tokenizer))
        edit_json(job.path / "model/tokenizer_config.json", pad_token=f"<pad{added - 1}>")
    assert job.run() == 0
    assert json.loads((job.work / "out/config.json").read_text())["pad_token_id"] == 0
