"""job.json: defaults, ranges, unknown keys, rules across keys."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anneal_trainer.errors import ConfigError
from anneal_trainer.job import load_job, load_schema

RULES = load_schema()["$defs"]["hyperparameters"]["properties"]

# Beyond each end of every range, and every wrong type.
REFUSED = [
    ("n_epochs", [0, 21, 1.5, "4", True, None]),
    ("n_evals", [-1, 101]),
    ("n_checkpoints", [0, 21]),
    ("batch_size", [0, 4097, "min", 2.5, True]),
    ("learning_rate", [0, 9e-9, 1.1e-2, "1e-5"]),
    ("lr_scheduler_type", ["constant", 1]),
    ("min_lr_ratio", [-0.1, 1.1]),
    ("scheduler_num_cycles", [-0.5, 1001]),
    ("warmup_ratio", [-0.1, 1.1]),
    ("max_grad_norm", [-1]),
    ("weight_decay", [-0.1]),
    ("train_on_inputs", ["yes", 0, 1, None]),
    ("lora", [0, "true"]),
    ("lora_r", [0, 65]),
    ("lora_alpha", [0.5, 4097]),
    ("lora_dropout", [-0.1, 1.1]),
    ("lora_trainable_modules", ["", ["q_proj"]]),
    ("suffix", ["", "x" * 41, "two words"]),
    ("seed", [-1, 2**32]),
    ("packing", ["no"]),
    ("max_seq_length", [7, 2**20 + 1]),
    ("gradient_accumulation_steps", [0, 1025]),
    ("early_stopping_patience", [0, 101]),
    ("deterministic", [1]),
    ("from_checkpoint", ["", "a:b", "a:1:2", ":4", 7]),
    ("from_hf_model", ["", "../x", "a/b/c", "https://hub/x"]),
    ("hf_model_revision", ["", "-x", "a b"]),
    ("hf_output_repo_name", ["", "/x", "a b"]),
    ("wandb_project_name", ["", "a/b", "x" * 129]),
    ("wandb_name", ["", "x" * 129]),
    ("wandb_base_url", ["wandb.ai", "file:///etc", "https://me:key@wandb.ai", "https://a b"]),
]


def parameters_of(job):
    return load_job(job.path).hyperparameters


def test_absent_keys_have_the_documented_defaults(make_job):
    parameters = parameters_of(make_job())
    assert parameters.n_epochs == 4
    assert parameters.batch_size == "max"
    assert parameters.learning_rate == 1e-5
    assert parameters.lr_scheduler_type == "linear"
    assert parameters.scheduler_num_cycles == 0.5
    assert parameters.train_on_inputs == "auto"
    assert parameters.lora_trainable_modules == "all-linear"
    assert parameters.max_grad_norm == 1
    assert parameters.suffix is None
    assert parameters.max_seq_length is None
    for name, rule in RULES.items():
        if "default" in rule:
            assert getattr(parameters, name) == rule["default"], name


@pytest.mark.parametrize(("key", "value"), [(key, v) for key, values in REFUSED for v in values])
def test_a_value_out_of_range_is_refused_by_name(make_job, key, value):
    with pytest.raises(ConfigError) as refused:
        load_job(make_job(hp={key: value}).path)
    assert refused.value.message.startswith(f"{key} is ")
    assert refused.value.hint.startswith("It must be ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hp=st.fixed_dictionaries(
        {},
        optional={
            "n_epochs": st.integers(1, 20),
            "n_checkpoints": st.integers(1, 20),
            "batch_size": st.one_of(st.just("max"), st.integers(1, 4096)),
            "learning_rate": st.floats(1e-8, 1e-2),
            "lora_r": st.integers(1, 64),
            "lora_alpha": st.integers(-10, 4096),
            "warmup_ratio": st.floats(0, 1),
            "train_on_inputs": st.sampled_from([True, False, "auto"]),
            "seed": st.integers(0, 2**32 - 1),
        },
    )
)
def test_every_value_in_range_arrives_unchanged_but_for_the_two_rules(tmp_path, hp):
    write_job(tmp_path, hp)
    parameters = load_job(tmp_path).hyperparameters
    for key, value in hp.items():
        if key == "n_checkpoints":
            value = min(value, parameters.n_epochs)
        if key == "lora_alpha" and value < 1:
            value = parameters.lora_r
        assert getattr(parameters, key) == value
        assert type(getattr(parameters, key)) is type(value)


def write_job(path, hp):
    (path / "data").mkdir(exist_ok=True)
    (path / "data/train.jsonl").write_text("{}")
    job = {
        "version": 1,
        "task_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "kind": "causal-lm",
        "train": "data/train.jsonl",
        "validation": None,
        "hyperparameters": hp,
    }
    (path / "job.json").write_text(json.dumps(job))


def test_scientific_notation_and_whole_floats_are_numbers(make_job):
    job = make_job(hp={})
    text = (job.path / "job.json").read_text()
    text = text.replace(
        '"hyperparameters": {}', '"hyperparameters": {"learning_rate":1E-3,"n_epochs":2.0}'
    )
    (job.path / "job.json").write_text(text)
    parameters = parameters_of(job)
    assert (parameters.learning_rate, parameters.n_epochs) == (1e-3, 2)
    assert isinstance(parameters.n_epochs, int)


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("learning_rat", "learning_rate"), ("epochs", "n_epochs"), ("lora_rank", "lora_r")],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(make_job, key, nearest):
    with pytest.raises(ConfigError, match=f"unknown key '{key}'") as refused:
        load_job(make_job(hp={key: 1}).path)
    assert refused.value.hint == f"Did you mean {nearest}?"


def test_an_unknown_key_beside_the_hyperparameters_is_refused(make_job):
    with pytest.raises(ConfigError, match="'validations'") as refused:
        load_job(make_job(validations=None).path)
    assert refused.value.hint == "Did you mean validation?"


@pytest.mark.parametrize(
    ("hp", "start", "problem"),
    [
        ({"from_checkpoint": "a:1", "from_hf_model": "b"}, "hub", "are both set"),
        ({"from_checkpoint": "a:1"}, None, "start is null, which does not fit"),
        ({"from_hf_model": "a"}, "checkpoint", 'start is "checkpoint", which does not fit'),
        ({}, "hub", 'start is "hub", which does not fit'),
        ({"from_checkpoint": "a:1"}, "checkpoint", "start/ does not exist"),
    ],
)
def test_other_weights_to_start_from_must_be_there(make_job, hp, start, problem):
    with pytest.raises(ConfigError, match=problem):
        load_job(make_job(hp=hp, start=start).path)


def test_what_the_daemon_carries_out_is_accepted(make_job):
    given = {
        "hf_output_repo_name": "me/tuned",
        "wandb_project_name": "sums",
        "wandb_name": "first try",
        "wandb_base_url": "https://wandb.example.org",
        "hf_model_revision": "main",
    }
    job = load_job(make_job(hp=given).path)
    assert {key: getattr(job.hyperparameters, key) for key in given} == given
    assert job.warnings == ("hf_model_revision has no effect because from_hf_model is not set.",)


def test_packing_is_on_off_or_left_to_the_model(make_job):
    assert parameters_of(make_job("on", hp={"packing": True})).packing is True
    assert parameters_of(make_job("off", hp={"packing": False})).packing is False
    assert parameters_of(make_job("unset")).packing is None


def test_more_checkpoints_than_epochs_are_lowered_with_a_warning(make_job):
    job = load_job(make_job(hp={"n_epochs": 2, "n_checkpoints": 5}).path)
    assert job.hyperparameters.n_checkpoints == 2
    assert job.warnings == ("n_checkpoints was lowered from 5 to 2, the number of epochs.",)


@pytest.mark.parametrize("alpha", [0, -3])
def test_lora_alpha_below_one_means_the_rank(make_job, alpha):
    parameters = parameters_of(make_job(hp={"lora": True, "lora_r": 16, "lora_alpha": alpha}))
    assert parameters.lora_alpha == 16


def test_a_key_without_effect_is_pointed_out(make_job):
    job = load_job(make_job(hp={"lora_r": 4, "scheduler_num_cycles": 2}).path)
    assert job.warnings == (
        "lora_r has no effect because lora is not true.",
        'scheduler_num_cycles has no effect because lr_scheduler_type is not "cosine".',
    )


@pytest.mark.parametrize(
    "train", ["../train.jsonl", "/etc/passwd", "data/../x.jsonl", "data/train.txt", "data/a/b.csv"]
)
def test_a_dataset_path_cannot_leave_the_data_folder(make_job, train):
    with pytest.raises(ConfigError, match="train is"):
        load_job(make_job(train=train).path)


@pytest.mark.parametrize(
    ("settings_", "problem"),
    [
        ({"train": "data/missing.jsonl"}, "missing.jsonl does not exist"),
        ({"train": "data/train.csv"}, "a format that causal-lm is not trained on"),
        ({"kind": "audio-classification"}, "kind is"),
        ({"task_id": "7"}, "task_id is"),
        ({"version": 2}, "version is"),
        ({"threads": 0}, "threads is"),
        ({"hp": {"n_evals": 2}}, "n_evals is set, but the job has no validation"),
        ({"hp": {"early_stopping_patience": 2}}, "early_stopping_patience is set, but the job"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(make_job, settings_, problem):
    kind = settings_.pop("kind", None)
    job = make_job(**settings_)
    if kind:
        text = (job.path / "job.json").read_text().replace("causal-lm", kind)
        (job.path / "job.json").write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_job(job.path)


def test_early_stopping_without_evaluations_is_refused(make_job):
    job = make_job(
        hp={"early_stopping_patience": 1}, validation=[{"prompt": "a", "completion": "b"}]
    )
    with pytest.raises(ConfigError, match="n_evals is 0"):
        load_job(job.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"version": NaN}', '{"version": 1}'])
def test_a_broken_job_file_is_refused(make_job, text):
    job = make_job()
    (job.path / "job.json").write_text(text)
    with pytest.raises(ConfigError, match=r"job\.json"):
        load_job(job.path)


def test_the_schema_is_one_file_for_client_and_trainer():
    from conftest import TRAINER

    link = TRAINER / "anneal_trainer" / "job.schema.json"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert all(rule.get("description") for rule in RULES.values())
