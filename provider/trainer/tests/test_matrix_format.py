"""The number format of matrix products, with and without a CPU's support for bfloat16."""

import pytest
import torch
from test_packing import gradients_of, make_model, make_rows

from anneal_trainer.data.batch import make_packed_batch
from anneal_trainer.loss.score import score
from anneal_trainer.model.matrix_format import matrix_format, plain_format
from anneal_trainer.model.packing import try_packing

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_f": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_a_processor_multiplies_bfloat16_only_where_it_has_the_instructions(
    monkeypatch, capabilities, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert matrix_format(CPU) is expected


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_multiplies_bfloat16_only_where_it_need_not_emulate_it(monkeypatch, native, expected):
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or native,
    )
    assert matrix_format(torch.device("cuda")) is expected
    assert plain_format(torch.device("cuda")) is expected
    assert plain_format(CPU) is torch.float32


@pytest.mark.parametrize("family", ["qwen2", "mistral", "opt", "gpt2"])
def test_bfloat16_changes_loss_and_gradients_by_its_rounding_only(family):
    model, rows = make_model(family), make_rows([9, 30, 2, 17])
    assert try_packing(model, [row.ids for row in rows], torch.bfloat16) is None
    batch = make_packed_batch(rows, CPU)
    wide = score(model, batch, torch.float32)
    expected = gradients_of(model, wide.loss)
    narrow = score(model, batch, torch.bfloat16)
    found = gradients_of(model, narrow.loss)
    # bfloat16 keeps 8 bits: 0.4 % of a number.
    torch.testing.assert_close(narrow.loss, wide.loss, rtol=4e-3, atol=0)
    assert 0 < (found - expected).norm() < 5e-2 * expected.norm()
    assert all(value.dtype is value.grad.dtype is torch.float32 for value in model.parameters())
