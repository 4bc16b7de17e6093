"""Frozen weights in the format of their files: half the memory, the same results."""

import pytest
import torch
from conftest import SUMS

from anneal_trainer import train
from anneal_trainer.data.batch import make_batch
from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.job import load_job
from anneal_trainer.loss.score import score
from anneal_trainer.model.frozen_format import in_full_precision, narrow_format, widen
from anneal_trainer.model.loading import load_model
from anneal_trainer.model.packing import try_packing

CPU = torch.device("cpu")
NARROW = torch.bfloat16


@pytest.fixture(scope="module")
def narrow_models(models, tmp_path_factory):
    """A causal LM, and one of experts, in 16 bits."""
    from transformers import AutoModelForCausalLM, Qwen3MoeConfig

    directory = tmp_path_factory.mktemp("narrow")
    config = Qwen3MoeConfig(
        vocab_size=1536, hidden_size=64, intermediate_size=128, moe_intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        num_experts=4, num_experts_per_tok=2, max_position_embeddings=256,
    )  # fmt: skip
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_pretrained(models / "tiny-qwen2", dtype=NARROW)
    experts = AutoModelForCausalLM.from_config(config).to(NARROW)
    for name, model in (("plain", plain), ("experts", experts)):
        model.save_pretrained(directory / name)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            source = models / "tiny-qwen2" / file
            (directory / name / file).write_bytes(source.read_bytes())
    return directory


@pytest.fixture(params=["plain", "experts"])
def both(request, make_job, narrow_models, qwen2):
    """The same adapter on weights of 16 and of 32 bits, and a batch."""
    hp = {"lora": True, "packing": False}
    job = load_job(make_job(hp=hp).path)
    directory = narrow_models / request.param
    pair = []
    for product in (NARROW, torch.float32):
        torch.manual_seed(0)
        pair.append(
            load_model(directory, "causal-lm", [], job.hyperparameters, product=product).train()
        )
    narrow, wide = pair
    with torch.no_grad():
        for ours, theirs in zip(narrow.parameters(), wide.parameters(), strict=True):
            if ours.requires_grad:
                ours.copy_(torch.randn_like(ours) * 0.02)
                theirs.copy_(ours)
    rows = read_causal_dataset(job.train_path, qwen2, 256, mask_inputs=True).examples
    return narrow, wide, rows[:4]


def test_they_take_half_the_memory(both):
    narrow, wide, _ = both
    assert narrow_format(narrow) is NARROW
    assert narrow_format(wide) is None
    sizes = [sum(weight.nbytes for weight in model.parameters()) for model in (narrow, wide)]
    assert sizes[0] < 0.6 * sizes[1]
    assert all(
        weight.dtype is torch.float32 for weight in narrow.parameters() if weight.requires_grad
    )


def test_loss_and_gradients_are_the_same(both):
    narrow, wide, rows = both
    # Grouped products of experts are rounded otherwise; all others are the same to the last bit.
    rounding = 1e-3 if "moe" in narrow.config.model_type else 0
    batch = make_batch(rows, 0, CPU)
    losses = []
    for model in (narrow, wide):
        result = score(model, batch, NARROW)
        result.loss.backward()
        losses.append(result.loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=rounding, abs=0)
    for ours, theirs in zip(narrow.parameters(), wide.parameters(), strict=True):
        if ours.requires_grad:
            scale = theirs.grad.abs().max()
            assert (ours.grad - theirs.grad).abs().max() <= 30 * rounding * scale


def test_they_can_be_used_in_full_precision_for_a_proof(both):
    narrow, wide, rows = both
    rounding = 1e-3 if "moe" in narrow.config.model_type else 0
    ids = torch.tensor([rows[0].ids])
    with torch.no_grad():
        expected = wide(input_ids=ids).logits
        with in_full_precision(narrow):
            found = narrow(input_ids=ids).logits
        assert (found - expected).abs().max() <= rounding * expected.abs().max()
        assert narrow_format(narrow) is NARROW
        widen(narrow)
        assert torch.equal(narrow(input_ids=ids).logits, expected)


def test_they_are_packed_like_wide_ones(narrow_models, make_job):
    job = load_job(make_job(hp={"lora": True}).path)
    model = load_model(
        narrow_models / "plain", "causal-lm", [], job.hyperparameters, product=NARROW
    )
    assert try_packing(model, [[5, 6, 7, 8], [9, 10]], NARROW) is None


def test_a_whole_job_keeps_them_where_the_machine_multiplies_that_format(
    make_job, models, narrow_models, monkeypatch
):
    monkeypatch.setattr(train, "matrix_format", lambda _: NARROW)
    formats = []
    find = train.find_batch_size

    def spy(model, *arguments):
        formats.append(narrow_format(model))
        return find(model, *arguments)

    monkeypatch.setattr(train, "find_batch_size", spy)
    for name, packing in (("packed", None), ("padded", False)):
        hp = {"lora": True, "n_epochs": 2, "learning_rate": 5e-3, "packing": packing}
        hp = {key: value for key, value in hp.items() if value is not None}
        job = make_job(name, rows=SUMS, hp=hp)
        (job.path / "model").unlink()
        (job.path / "model").symlink_to(narrow_models / "plain")
        assert job.run() == 0
        assert job.result["loss_after"] < job.result["loss_before"]
    # A processor multiplies padded rows in 32 bits.
    assert formats == [NARROW, None]
