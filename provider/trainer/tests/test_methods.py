"""Preference methods: their losses, which rows they learn from, and whole jobs."""

import json
import math
from dataclasses import replace

import pytest
import torch
from conftest import SUMS
from test_preferences import PAIRS
from torch.utils._python_dispatch import TorchDispatchMode

from anneal_trainer import __main__ as entry
from anneal_trainer.data.batch import make_batch, make_packed_batch
from anneal_trainer.data.order import row_order
from anneal_trainer.loss import label
from anneal_trainer.loss.preference import dpo_loss, kto_loss, odds_ratio_loss, simpo_loss
from anneal_trainer.loss.references import measure_references
from anneal_trainer.loss.score import answer_likelihoods, score
from anneal_trainer.model.loading import load_model
from anneal_trainer.model.packing import try_packing, vocabulary_head

CPU = torch.device("cpu")
HP = {"n_epochs": 2, "learning_rate": 2e-3, "batch_size": 3}
UNPAIRED = [
    {"prompt": row["prompt"], "completion": row[key], "label": key == "chosen"}
    for row in PAIRS
    for key in ("chosen", "rejected")
]
BETTER, WORSE = torch.tensor([-0.5, -2.0]), torch.tensor([-1.0, -0.25])
METHODS = {
    "dpo": {},
    "dpo with everything": {
        "dpo_beta": 0.5,
        "dpo_label_smoothing": 0.1,
        "dpo_normalize_logratios_by_length": True,
        "rpo_alpha": 0.5,
    },
    "simpo": {"training_method": "simpo"},
    "orpo": {"training_method": "orpo"},
    "orpo with prompts": {"training_method": "orpo", "train_on_inputs": True},
    "kto": {"training_method": "kto"},
}


def log_sigmoid(value):
    return -math.log(1 + math.exp(-value))


def test_the_losses_are_those_of_the_papers():
    margins = [0.5, -1.75]
    assert dpo_loss(BETTER, WORSE, 0.3).tolist() == pytest.approx(
        [-log_sigmoid(0.3 * margin) for margin in margins]
    )
    assert dpo_loss(BETTER, WORSE, 0.3, 0.2).tolist() == pytest.approx(
        [-0.8 * log_sigmoid(0.3 * m) - 0.2 * log_sigmoid(-0.3 * m) for m in margins]
    )
    assert simpo_loss(BETTER, WORSE, 2.0, 0.6).tolist() == pytest.approx(
        [-log_sigmoid(2.0 * margin - 0.6) for margin in margins]
    )
    odds = [[math.exp(x) / (1 - math.exp(x)) for x in row.tolist()] for row in (BETTER, WORSE)]
    assert odds_ratio_loss(BETTER, WORSE).tolist() == pytest.approx(
        [-log_sigmoid(math.log(one / other)) for one, other in zip(*odds, strict=True)]
    )


def test_an_undesirable_answer_is_to_lose_what_a_desirable_one_gains():
    ratios, desirable = torch.tensor([0.7, 0.7]), torch.tensor([True, False])
    divergence = torch.tensor(0.2)
    value = 1 / (1 + math.exp(-0.5 * (0.7 - 0.2)))
    assert kto_loss(ratios, desirable, divergence, 0.5, (2.0, 3.0)).tolist() == pytest.approx(
        [2 * (1 - value), 3 * value]
    )


def test_a_certain_answer_has_odds():
    certain = torch.zeros(1, requires_grad=True)
    odds_ratio_loss(certain, torch.tensor([-1.0])).sum().backward()
    assert certain.grad.isfinite().all()


def loaded(make_job, hp, rows=PAIRS, name="job"):
    """The data of a job with a packed batch, and the model."""
    job = entry.load_job(make_job(name, rows=rows, hp=hp).path)
    data = entry.load_data(job)
    return data, load_model(job.model_directory, "causal-lm", [], job.hyperparameters)


@pytest.mark.parametrize("name", METHODS)
def test_packed_answers_are_scored_and_learned_like_padded_ones(make_job, monkeypatch, name):
    # Chunks of a few positions: their sums are those of one.
    monkeypatch.setattr(label, "PIECE", 1536 * 5)
    data, model = loaded(make_job, METHODS[name])

    def padding(rows):
        return make_batch(rows, 0, CPU, data.preference)

    data = measure_references(model, data, 4, padding, torch.float32, 42)
    rows = [
        replace(row, references=tuple(reference - 0.3 for reference in row.references))
        for row in data.train.examples[:5]
    ]
    outcomes = []
    for packed in (False, True):
        if packed:
            assert try_packing(model, [row.ids for row in rows]) is None
        batch = make_packed_batch(rows, CPU, data.preference) if packed else padding(rows)
        result = score(model, batch, torch.float32)
        model.zero_grad()
        result.loss.backward()
        slopes = torch.cat([weight.grad.flatten() for weight in model.parameters()])
        outcomes.append((result.loss.item(), batch.count, batch.tokens, slopes))
    (loss, *counts, slopes), (packed_loss, *packed_counts, packed_slopes) = outcomes
    assert packed_loss == pytest.approx(loss, abs=1e-5)
    assert packed_counts == counts
    assert (packed_slopes - slopes).abs().max() <= 1e-5 * max(1, slopes.abs().max())


def test_the_references_are_the_log_probabilities_before_the_training(make_job):
    for method in ("dpo", "kto"):
        data, model = loaded(make_job, {"training_method": method}, name=method)

        def padding(rows, preference=data.preference):
            return make_batch(rows, 0, CPU, preference)

        measured = measure_references(model, data, 4, padding, torch.float32, 42)
        model.eval()
        for row in measured.train.examples[:3]:
            batch = padding([row])
            with torch.no_grad():
                found = answer_likelihoods(model, batch, batch.comparison, torch.float32).answers
            assert row.references[0] == pytest.approx(found[0].item(), abs=1e-4)


def test_a_prompt_is_mismatched_with_an_answer_of_another_row_of_its_batch(make_job, qwen2):
    rows = [
        {"prompt": f"Question {number}? ", "completion": f"Answer {number}", "label": number > 2}
        for number in range(7)
    ]
    data, model = loaded(make_job, {"training_method": "kto"}, rows)

    def padding(rows):
        return make_batch(rows, 0, CPU, data.preference)

    measured = measure_references(model, data, 3, padding, torch.float32, 42)
    order = row_order(7, 42)
    batches = [order[:3], order[3:6], order[6:]]
    for batch in batches:
        for number in batch:
            row = measured.train.examples[number]
            question, _, other = qwen2.decode(row.mismatched.ids).partition("? Answer ")
            assert question == f"Question {number}"
            # A batch of one row takes the answer before it in the order of the pass.
            assert int(other) in ([order[5]] if len(batch) == 1 else batch)
            assert int(other) != number
            assert sum(row.mismatched.counts) == sum(row.counts)


def test_mismatched_texts_keep_to_the_maximum_length(make_job):
    rows = [
        {"prompt": "a " * 20, "completion": "b", "label": True},
        {"prompt": "c", "completion": "d " * 30, "label": False},
    ]
    data, model = loaded(make_job, {"training_method": "kto", "max_seq_length": 32}, rows)

    def padding(some):
        return make_batch(some, 0, CPU, data.preference)

    measured = measure_references(model, data, 2, padding, torch.float32, 42)
    lengths = [len(row.mismatched.ids) for row in measured.train.examples]
    assert max(lengths) == 32


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_what_is_better(make_job, name):
    job = make_job(rows=PAIRS, hp={**HP, **METHODS[name]})
    assert job.run() == 0
    result = job.result
    assert result["loss_after"] < result["loss_before"]
    assert result["accuracy_after"] == 1
    assert not job.events("warning")
    assert result["rows"] == len(PAIRS) * (2 if name == "kto" else 1)
    assert result["tokens"] == 2 * result["dataset_tokens"]


def test_answers_with_a_label_are_learned_with_kto(make_job):
    job = make_job(rows=UNPAIRED, validation=UNPAIRED[:4], hp={**HP, "n_evals": 2})
    assert job.run() == 0
    assert job.events("started")[0]["parameters"]["training_method"] is None
    assert job.events("progress")[0]["loss"] == pytest.approx(0.5, abs=1e-4)
    assert job.result["loss_after"] < 0.45
    assert job.result["accuracy_after"] == 1


def test_samples_expect_desirable_answers(make_job):
    rows = [{**row, "label": not row["label"]} for row in UNPAIRED]
    job = make_job(rows=rows, hp={**HP, "n_epochs": 1})
    assert job.run() == 0
    assert {sample["expected"] for sample in job.result["samples"]} == {"I do not know."}


def test_the_logits_of_a_packed_batch_never_exist_at_once(make_job, monkeypatch):
    monkeypatch.setattr(label, "PIECE", 1536 * 5)
    data, model = loaded(make_job, {"training_method": "simpo"})
    rows = data.train.examples[:6]
    assert try_packing(model, [row.ids for row in rows]) is None
    batch = make_packed_batch(rows, CPU, data.preference)
    assert len(batch.columns) > 50
    weights = vocabulary_head(model).weight.T.shape

    class Largest(TorchDispatchMode):
        positions = 0

        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            result = function(*arguments, **(options or {}))
            shape = getattr(result, "shape", ())
            if shape[-1:] == (1536,) and shape != weights:
                self.positions = max(self.positions, result.numel() // 1536)
            return result

    with Largest() as seen:
        score(model, batch, torch.float32).loss.backward()
    assert seen.positions == 5


def test_labels_of_answers_survive_counting(make_job, qwen2, tmp_path):
    from anneal_trainer.count import count

    job = make_job(rows=UNPAIRED, hp=HP)
    (job.path / "tokens").mkdir()
    tokens = job.path / "tokens/train.arrow"
    model, dataset = job.path / "model", job.path / "data/train.jsonl"
    assert count(model, "causal-lm", dataset, tokens=tokens)[0] == len(UNPAIRED)
    examples = entry.load_data(entry.load_job(job.path)).train.examples
    assert [row.desirable for row in examples] == [row["label"] for row in UNPAIRED]


def test_a_restart_of_kto_compares_with_the_model_before_the_training(make_job):
    settings = {"rows": UNPAIRED[:8], "hp": HP}
    whole, cut = make_job("whole", **settings), make_job("cut", **settings)
    assert whole.run() == 0
    assert cut.run(is_stopped=lambda: len(cut.events("progress")) == 2) == 75
    assert cut.run() == 0
    assert cut.files("out") == whole.files("out")


MISFITS = {
    "dpo": (SUMS, "training_method is dpo, which learns from preference pairs, but train.jsonl has "
                  "plain rows."),
    "orpo": (UNPAIRED, "training_method is orpo, which learns from preference pairs, but "
                       "train.jsonl has answers with a label."),
    "kto": (SUMS, "training_method is kto, which learns from answers with a label or preference "
                  "pairs, but train.jsonl has plain rows."),
    "sft": (PAIRS, "training_method is sft, which learns from plain rows, but train.jsonl has "
                   "preference pairs."),
}  # fmt: skip


@pytest.mark.parametrize("method", MISFITS)
def test_a_method_that_does_not_fit_the_rows_is_refused(make_job, method):
    rows, message = MISFITS[method]
    job = make_job(rows=rows, hp={"training_method": method})
    assert job.run() == 2
    assert job.result["message"] == message
    assert "set training_method to" in job.result["hint"]


def test_an_option_of_dpo_means_dpo(make_job):
    job = make_job(rows=SUMS, hp={"rpo_alpha": 1})
    assert job.run() == 2
    assert job.result["message"].startswith("training_method is dpo, which")


def test_options_of_other_methods_have_no_effect_and_say_so(make_job):
    hp = {**HP, "n_epochs": 1, "training_method": "simpo", "kto_desirable_weight": 2, "dpo_beta": 3}
    job = make_job(rows=PAIRS, hp=hp)
    assert job.run() == 0
    assert [event["message"] for event in job.events("warning")] == [
        'kto_desirable_weight has no effect because training_method is not "kto".'
    ]


@pytest.mark.parametrize("setting", [{"training_method": "dpo"}, {"pack_documents": True}])
def test_classifiers_have_neither_methods_nor_documents(make_job, setting):
    job = make_job(kind="text-classification", hp=setting)
    assert job.run() == 2
    (name,) = setting
    assert job.result["message"].startswith(f"{name} is {json.dumps(setting[name])}, but a text-")


TEXTS = [{"text": f"Text {number} " + "goes on " * number} for number in range(9)]


def test_documents_are_joined_and_cut_into_full_sequences(make_job, qwen2):
    hp = {"pack_documents": True, "max_seq_length": 16, "n_epochs": 2, "batch_size": 2}
    job = make_job(rows=TEXTS, validation=TEXTS[:3], hp=hp)
    data = entry.load_data(entry.load_job(job.path))
    stream = [id_ for row in TEXTS for id_ in [*qwen2.encode(row["text"]).ids, qwen2.eos_id]]
    sequences = [row.ids for row in data.train.examples]
    assert [id_ for ids in sequences for id_ in ids] == stream
    assert {len(ids) for ids in sequences[:-1]} == {16}
    assert data.train.tokens == len(stream)
    assert [row.line for row in data.train.examples] == sorted(
        row.line for row in data.train.examples
    )
    assert job.run() == 0
    steps = 2 * math.ceil(len(sequences) / 2)
    assert (job.result["steps"], job.result["rows"]) == (steps, len(sequences))
    assert job.result["dataset_tokens"] == len(stream)
    assert not job.events("warning")


def test_the_first_line_of_a_sequence_is_that_of_its_first_token(make_job, qwen2):
    hp = {"pack_documents": True, "max_seq_length": 8}
    data, _ = loaded(make_job, hp, TEXTS)
    lines = [
        number
        for number, row in enumerate(TEXTS, start=1)
        for _ in [*qwen2.encode(row["text"]).ids, qwen2.eos_id]
    ]
    assert [row.line for row in data.train.examples] == lines[: 8 * len(data.train.examples) : 8]


@pytest.mark.parametrize("rows", [SUMS, PAIRS, UNPAIRED])
def test_only_texts_are_documents(make_job, rows):
    job = make_job(rows=rows, hp={"pack_documents": True})
    assert job.run() == 2
    assert job.result["message"] == (
        "pack_documents is true, but train.jsonl has other rows than texts."
    )
