"""Packing: same loss and gradients as padded, no leaks between rows, unsupported models."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from conftest import SUMS
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from anneal_trainer.data.batch import make_batch, make_packed_batch
from anneal_trainer.data.loading import Example
from anneal_trainer.loss.label import label_loss
from anneal_trainer.loss.score import score
from anneal_trainer.model.matrix_format import matrix_format
from anneal_trainer.model.packing import DOCUMENT_ATTENTION, attend, packed_states, try_packing

CPU = torch.device("cpu")
WORDS = 64


def make_model(family, **changes):
    """A random model of one of the causal LM families, without dropout."""
    import transformers

    torch.manual_seed(0)
    sizes = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2,
             "num_attention_heads": 4, "max_position_embeddings": 64}  # fmt: skip
    config = {
        "qwen2": lambda: transformers.Qwen2Config(
            **sizes, num_key_value_heads=2, intermediate_size=48, **changes
        ),
        "mistral": lambda: transformers.MistralConfig(
            **sizes, num_key_value_heads=2, intermediate_size=48, sliding_window=5, **changes
        ),
        "opt": lambda: transformers.OPTConfig(
            **sizes, ffn_dim=48, word_embed_proj_dim=32, dropout=0.0, **changes
        ),
        "gpt2": lambda: transformers.GPT2Config(
            vocab_size=WORDS, n_embd=32, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0,
            embd_pdrop=0, attn_pdrop=0, **changes,
        ),
        "bloom": lambda: transformers.BloomConfig(
            vocab_size=WORDS, hidden_size=32, n_layer=2, n_head=4, **changes
        ),
    }[family]()  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=None)
    # Random weights are so small that attention hardly matters, which would hide a leak.
    for weight in model.parameters():
        if weight.ndim > 1:
            weight.data.mul_(5)
    return model.train()


def make_rows(lengths, seed=0):
    chance = torch.Generator().manual_seed(seed)
    rows = []
    for line, length in enumerate(lengths, start=1):
        ids = torch.randint(0, WORDS, (length,), generator=chance).tolist()
        counts = (torch.rand(length, generator=chance) < 0.6).tolist()
        counts[-1] = True
        rows.append(Example(line, ids, counts, 1, -1, ""))
    return rows


def gradients_of(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([value.grad.flatten() for value in model.parameters()])


@pytest.mark.parametrize("family", ["qwen2", "mistral", "opt", "gpt2"])
def test_packed_loss_and_gradients_are_the_padded_ones(family):
    model, rows = make_model(family), make_rows([9, 30, 2, 17])
    padded = score(model, make_batch(rows, 0, CPU), torch.float32)
    expected = gradients_of(model, padded.loss)
    assert try_packing(model, [row.ids for row in rows]) is None
    packed = score(model, make_packed_batch(rows, CPU), torch.float32)
    torch.testing.assert_close(packed.loss, padded.loss, rtol=1e-5, atol=0)
    assert packed.correct == padded.correct
    found = gradients_of(model, packed.loss)
    assert (found - expected).norm() < 1e-5 * expected.norm()
    # Padded batches, such as samples, still get the same attention.
    again = score(model, make_batch(rows, 0, CPU), torch.float32)
    torch.testing.assert_close(again.loss, padded.loss, rtol=1e-5, atol=0)


@settings(max_examples=20)
@given(lengths=st.lists(st.integers(2, 24), min_size=2, max_size=5), data=st.data())
def test_a_row_neither_sees_nor_moves_another(lengths, data):
    model, rows = make_model("qwen2"), make_rows(lengths)
    assert try_packing(model, [row.ids for row in rows]) is None
    changed = data.draw(st.integers(0, len(rows) - 1))
    other = list(rows)
    other[changed] = replace(rows[changed], ids=[(id_ + 1) % WORDS for id_ in rows[changed].ids])
    begin = sum(lengths[:changed])
    own = slice(begin, begin + lengths[changed])

    def states_and_gradient(some):
        """States of all tokens, and how the states of all but the changed row depend on each."""
        batch = make_packed_batch(some, CPU)
        kept = []
        table = model.get_input_embeddings()
        handle = table.register_forward_hook(lambda *call: kept.append(call[-1]))
        states = packed_states(model, batch.ids, batch.documents)
        handle.remove()
        outside = torch.ones(len(states), dtype=torch.bool)
        outside[own] = False
        (gradient,) = torch.autograd.grad(states[outside].square().sum(), kept[0])
        return states.detach(), gradient[0], outside

    before, gradient, outside = states_and_gradient(rows)
    after, gradient_after, _ = states_and_gradient(other)
    assert torch.equal(before[outside], after[outside])
    assert torch.equal(gradient[outside], gradient_after[outside])
    assert not gradient[own].any()
    assert not torch.equal(before[own], after[own])


def test_a_model_that_cannot_be_packed_is_left_as_it_was():
    model, rows = make_model("bloom"), make_rows([5, 9, 4])
    before = score(model, make_batch(rows, 0, CPU), torch.float32).loss
    reason = try_packing(model, [row.ids for row in rows])
    assert reason is not None
    assert model.config._attn_implementation != DOCUMENT_ATTENTION
    assert torch.equal(score(model, make_batch(rows, 0, CPU), torch.float32).loss, before)


def test_attention_that_only_fails_in_sixteen_bits_is_noticed(monkeypatch):
    """Like a GPU's kernel, which does not support 32-bit floats."""
    model, rows = make_model("qwen2"), make_rows([5, 9, 4])
    ids = [row.ids for row in rows]
    plain = model.config._attn_implementation

    def failing(*arguments, **options):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("this head dimension is not supported")
        return attend(*arguments, **options)

    def forgetful(*arguments, **options):
        result, _ = attend(*arguments, **options)
        return result.roll(3, dims=1) if torch.is_autocast_enabled("cpu") else result, None

    monkeypatch.setattr("anneal_trainer.model.packing.attend", failing)
    assert try_packing(model, ids) is None
    model.set_attn_implementation(plain)
    reason = try_packing(model, ids, torch.bfloat16)
    assert reason == "its architecture does not allow it (RuntimeError)"
    monkeypatch.setattr("anneal_trainer.model.packing.attend", forgetful)
    assert try_packing(model, ids, torch.bfloat16) == "its results would not be the same"
    assert model.config._attn_implementation == plain


def kernel_stub(query, key, value, starts, ends, longest, _, *, scale, window_size):
    """What a GPU's kernel for all documents promises, a document at a time: (tokens, heads, width).

    A stub for a processor: the subject is what the kernel is given.
    """
    assert query.dtype is key.dtype is value.dtype is torch.bfloat16
    assert starts.dtype is torch.int32
    assert torch.equal(starts, ends)
    assert window_size[1] == 0
    results = []
    for begin, end in pairwise(starts.tolist()):
        near = torch.ones(end - begin, end - begin, dtype=torch.bool).tril()
        if window_size[0] >= 0:
            near = near.triu(-window_size[0])
        parts = [states[begin:end].transpose(0, 1).float() for states in (query, key, value)]
        with torch.autocast("cpu", enabled=False):
            part = functional.scaled_dot_product_attention(*parts, near, scale=scale)
        results.append(part.transpose(0, 1))
        assert end - begin <= longest
    return torch.cat(results).to(query.dtype)


@pytest.mark.parametrize("family", ["qwen2", "mistral", "opt", "gpt2"])
def test_a_gpu_attends_to_all_documents_at_once(family, monkeypatch):
    model, rows = make_model(family), make_rows([9, 30, 2, 17])
    assert try_packing(model, [row.ids for row in rows]) is None
    batch = make_packed_batch(rows, CPU)
    expected = score(model, batch, torch.bfloat16).loss
    calls = []
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "is_cuda", property(lambda _: True))
        patch.setattr(
            "torch.nn.attention.varlen.varlen_attn",
            lambda *arguments, **options: calls.append(1) or kernel_stub(*arguments, **options),
        )
        loss = score(model, batch, torch.bfloat16).loss
    assert len(calls) == 2  # one a layer
    torch.testing.assert_close(loss, expected, rtol=1e-2, atol=0)


def test_a_vocabulary_layer_that_bends_its_logits_is_noticed():
    """Such as Gemma 2's: the head alone would give a different loss."""
    model = make_model("qwen2")
    forward = model.forward

    def bent(*arguments, **options):
        output = forward(*arguments, **options)
        output.logits = torch.tanh(output.logits)
        return output

    model.forward = bent
    reason = try_packing(model, [row.ids for row in make_rows([5, 9])])
    assert reason == "its results would not be the same"


@pytest.mark.parametrize(
    ("piece", "block"), [(1, 1), (3 * WORDS, 2 * WORDS), (1 << 24, 3 * WORDS), (1 << 24, 1 << 24)]
)
@pytest.mark.parametrize("bias", [False, True])
def test_the_loss_in_pieces_is_the_loss_at_once(monkeypatch, piece, block, bias):
    monkeypatch.setattr("anneal_trainer.loss.label.PIECE", piece)
    monkeypatch.setattr("anneal_trainer.loss.label.BLOCKS", {"cpu": block})
    chance = torch.Generator().manual_seed(1)
    inputs = [torch.randn(shape, generator=chance) for shape in ((10, 8), (WORDS, 8), (WORDS,))]
    states, weight, offset = (value.requires_grad_() for value in inputs)
    targets = torch.randint(0, WORDS, (10,), generator=chance)
    used = [states, weight, *([offset] if bias else [])]
    logits = functional.linear(states, weight, offset if bias else None)
    expected = functional.cross_entropy(logits, targets, reduction="sum")
    expected_gradients = torch.autograd.grad(expected / 7, used)
    loss, hits = label_loss(states, targets, weight, offset if bias else None)
    torch.testing.assert_close(loss, expected)
    assert hits == (logits.argmax(-1) == targets).sum()
    for found, wanted in zip(torch.autograd.grad(loss / 7, used), expected_gradients, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_frozen_vocabulary_gets_no_gradient():
    states = torch.randn(4, 8, requires_grad=True)
    loss, _ = label_loss(states, torch.tensor([1, 2, 3, 4]), torch.randn(WORDS, 8), None)
    loss.backward()
    assert states.grad is not None
    with torch.no_grad():
        same, _ = label_loss(states, torch.tensor([1, 2, 3, 4]), torch.zeros(WORDS, 8), None)
    assert not same.requires_grad


@pytest.mark.parametrize("lora", [False, True])
def test_a_packed_job_learns_step_by_step_what_a_padded_one_does(make_job, lora):
    hp = {"n_epochs": 1, "learning_rate": 1e-3, "batch_size": 3, "lora": lora,
          "gradient_accumulation_steps": 2}  # fmt: skip
    packed = make_job("packed", hp=hp)
    padded = make_job("padded", hp={**hp, "packing": False})
    assert (packed.run(), padded.run()) == (0, 0)
    pairs = list(zip(packed.events("progress"), padded.events("progress"), strict=True))
    assert len(pairs) == 3
    # Padded rows are computed in 32-bit floats here, packed ones in what the processor does best.
    rounding = 1e-3 if matrix_format(CPU) is torch.float32 else 1e-2
    for one, other in pairs:
        assert one["tokens"] == other["tokens"]
        for key in ("loss", "grad_norm"):
            assert one[key] == pytest.approx(other[key], rel=rounding), key
    assert packed.result["loss_after"] == pytest.approx(padded.result["loss_after"], rel=rounding)
    config = json.loads((packed.work / "out/config.json").read_text())
    assert DOCUMENT_ATTENTION not in json.dumps(config)
    assert not packed.events("warning")


def test_packing_that_cannot_be_is_a_warning_and_the_rows_are_padded(make_job, monkeypatch):
    monkeypatch.setattr(
        "anneal_trainer.train.try_packing", lambda *_: "its results would not be the same"
    )
    job = make_job(rows=SUMS[:4], hp={"n_epochs": 1})
    assert job.run() == 0
    (warning,) = job.events("warning")
    assert warning["message"] == (
        "Rows are padded instead of packed: its results would not be the same."
    )
    classifier = make_job("classifier", kind="text-classification", hp={"n_epochs": 1})
    assert classifier.run() == 0
    assert not classifier.events("warning")
    asked = make_job("asked", kind="text-classification", hp={"n_epochs": 1, "packing": True})
    assert asked.run() == 0
    assert "only rows of causal language models" in asked.events("warning")[0]["message"]
