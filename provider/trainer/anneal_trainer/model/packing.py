"""Packing: the rows of a batch in one sequence, each attending to itself only.

Nothing is spent on padding, and the result is that of the padded batch: the same rows make a step,
positions restart in every document, and attention never leaves one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anneal_trainer import ranks
from anneal_trainer.errors import is_out_of_memory
from anneal_trainer.model.frozen_format import in_full_precision
from anneal_trainer.model.matrix_format import product_format

DOCUMENT_ATTENTION = "documents"
"""Name under which transformers knows `attend`."""
PROBE_ROWS = 3
PROBE_TOKENS = 24
TOLERANCE = 1e-3
"""Maximum difference between packed and padded logits, relative to the largest logit. Rounding
errors are a hundred times smaller; attention that leaves a document causes far larger ones."""
NARROW_TOLERANCE = 0.1
"""The same for matrix products in 16 bits, whose rounding errors are a few hundredths."""


@dataclass(frozen=True)
class Documents:
    """The boundaries of the documents in a packed sequence."""

    lengths: tuple[int, ...]
    """Tokens of each document."""
    positions: Tensor
    """Position of each token in its document, int64, (1, tokens)."""
    starts: Tensor
    """Index of each document's first token and, last, of the end, int32, (documents + 1,)."""

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> "Documents":
        """Concatenate documents of these lengths."""
        positions = torch.cat([torch.arange(length) for length in lengths]).unsqueeze(0)
        starts = torch.tensor((0, *lengths)).cumsum(0, dtype=torch.int32)
        return cls(tuple(lengths), positions.to(device), starts.to(device))


@ranks.distributable
def try_packing(
    model: nn.Module, rows: Sequence[Sequence[int]], number: torch.dtype = torch.float32
) -> str | None:
    """Prepare a causal LM for packed sequences, or return why its results would not be the same.

    `rows` are token ids of the training dataset, of which the first PROBE_ROWS suffice; `number` is
    the format of matrix products. Their beginnings are run padded and packed, and the logits must
    agree, in that format, too. What only matters to longer rows is seen in how `attend` is called.
    So every architecture is either verified or left unchanged.
    """
    probe = [list(row[:PROBE_TOKENS]) for row in rows[:PROBE_ROWS]]
    causal = causal_model(model)
    plain = causal.config._attn_implementation
    if getattr(causal.config, "output_router_logits", False):
        return "the loss that balances its experts depends on all tokens of a batch"
    if type(causal.get_output_embeddings()) is not nn.Linear:
        return "its vocabulary layer is not a plain matrix"
    model.eval()
    try:
        with torch.no_grad(), in_full_precision(causal):
            expected = _padded_logits(causal, probe)
            with _watched_windows() as windows:
                causal.set_attn_implementation(DOCUMENT_ATTENTION)
                packed = _packed_logits(causal, probe)
        reason = _why_longer_rows_differ(causal.config, windows)
        if reason is None:
            agrees = _agree(packed, expected, TOLERANCE)
            if agrees and _trains_in(number, model, probe, expected):
                return None
            reason = "its results would not be the same"
    except NotImplementedError as error:
        reason = str(error)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"its architecture does not allow it ({type(error).__name__})"
    finally:
        model.train()
    causal.set_attn_implementation(plain)
    return reason


def packed_states(model: nn.Module, ids: Tensor, documents: Documents) -> Tensor:
    """Last hidden states of a packed sequence, (tokens, width); ids are (1, tokens)."""
    body = causal_model(model).base_model
    output = body(
        input_ids=ids, position_ids=documents.positions, documents=documents, use_cache=False
    )
    states: Tensor = output.last_hidden_state[0]
    return states


def vocabulary_head(model: nn.Module) -> nn.Linear:
    """Return the layer that turns states into logits."""
    head: nn.Linear = causal_model(model).get_output_embeddings()
    return head


# Would be recompiled for the lengths of every batch.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    documents: Documents | None = None,
    **_: Any,  # noqa: ANN401
) -> tuple[Tensor, None]:
    """Causal attention within each document; transformers calls it in every layer.

    query is (rows, heads, tokens, width), key and value may have fewer heads; the result is
    (rows, tokens, heads, width). Without `documents` each row is one document, which may be padded
    at the end: attention is causal, so padding needs no mask. Raises NotImplementedError for caps
    of scores (Gemma 2) and for sinks (gpt-oss).
    """
    if softcap is not None or s_aux is not None:
        raise NotImplementedError(
            "its attention has sinks" if softcap is None else "its attention caps its scores"
        )
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    if documents is None:
        result = _attend_causally(query, key, value, dropout, scaling, sliding_window)
        return result.transpose(1, 2), None
    number = product_format(query)
    if query.is_cuda and number is torch.bfloat16 and dropout == 0:
        # Rotary embeddings make query and key 32-bit floats, whatever the format of products.
        query, key, value = query.to(number), key.to(number), value.to(number)
        return _attend_at_once(query, key, value, scaling, sliding_window, documents), None
    if not query.is_cuda:
        # On a CPU attention is faster in 32-bit floats, the backward pass more than twice as fast.
        query, key, value = query.float(), key.float(), value.float()
    parts = [torch.split(states, list(documents.lengths), 2) for states in (query, key, value)]
    with torch.autocast("cpu", enabled=False):
        results = [
            _attend_causally(one_query, one_key, one_value, dropout, scaling, sliding_window)
            for one_query, one_key, one_value in zip(*parts, strict=True)
        ]
    return torch.cat([result.transpose(1, 2) for result in results], dim=1), None


def _attend_causally(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout: float,
    scaling: float | None,
    sliding_window: int | None,
) -> Tensor:
    """Attend to the token itself and those before it; a window of w tokens reaches w - 1 back."""
    length = query.shape[2]
    near = None
    if sliding_window is not None and sliding_window < length:
        near = torch.ones(length, length, dtype=torch.bool, device=query.device)
        near = near.tril_().triu_(1 - sliding_window)
    return functional.scaled_dot_product_attention(
        query, key, value, near, dropout_p=dropout, is_causal=near is None, scale=scaling
    )


def _attend_at_once(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    sliding_window: int | None,
    documents: Documents,
) -> Tensor:
    """Attend in one GPU kernel for all documents (Dao 2023, arXiv:2307.08691), only in 16 bits."""
    from torch.nn.attention.varlen import varlen_attn

    starts, longest = documents.starts, max(documents.lengths)
    back = -1 if sliding_window is None else sliding_window - 1
    result = varlen_attn(
        query[0].transpose(0, 1).contiguous(),
        key[0].transpose(0, 1).contiguous(),
        value[0].transpose(0, 1).contiguous(),
        starts,
        starts,
        longest,
        longest,
        scale=scaling,
        window_size=(back, 0),
    )
    assert isinstance(result, Tensor)
    return result.unsqueeze(0)


@contextmanager
def _watched_windows() -> Iterator[list[int | None]]:
    """Register `attend`, and list the sliding windows that it is given, one of each layer."""
    from transformers import AttentionInterface

    windows: list[int | None] = []

    def watched(*arguments: Any, **options: Any) -> tuple[Tensor, None]:  # noqa: ANN401
        windows.append(options.get("sliding_window"))
        result: tuple[Tensor, None] = attend(*arguments, **options)
        return result

    AttentionInterface.register(DOCUMENT_ATTENTION, watched)
    try:
        yield windows
    finally:
        AttentionInterface.register(DOCUMENT_ATTENTION, attend)


def _why_longer_rows_differ(config: Any, windows: Sequence[int | None]) -> str | None:  # noqa: ANN401
    """Return why rows longer than the probe would be read otherwise; `windows` are those in use.

    Models with attention of their own have tables that end at their maximum length, and some read
    their window only where they make the mask.
    """
    if not windows:
        return "its attention cannot be told where a row begins"
    if getattr(config, "attention_chunk_size", None):
        return "it attends in chunks"
    types = getattr(config, "layer_types", None)
    expected = len(windows) if types is None else types.count("sliding_attention")
    if getattr(config, "sliding_window", None) and len(windows) - windows.count(None) < expected:
        return "its sliding window would be ignored"
    return None


def causal_model(model: nn.Module) -> Any:  # noqa: ANN401
    """Return the model of transformers, without the adapter around it."""
    unwrap: Any = getattr(model, "get_base_model", lambda: model)
    return unwrap()


def _agree(packed: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((packed - expected).abs().max() <= tolerance * expected.abs().max())


def _trains_in(
    number: torch.dtype, model: nn.Module, probe: Sequence[Sequence[int]], expected: Tensor
) -> bool:
    """Return whether the packed model also agrees in this format, and its backward pass works."""
    if number is torch.float32:
        return True
    causal = causal_model(model)
    first = next(weight for weight in model.parameters() if weight.requires_grad)
    with torch.autocast(causal.device.type, number):
        packed = _packed_logits(causal, probe).float()
    (slope,) = torch.autograd.grad(packed.square().mean(), first)
    return _agree(packed, expected, NARROW_TOLERANCE) and bool(slope.isfinite().all())


def _padded_logits(causal: Any, rows: Sequence[Sequence[int]]) -> Tensor:  # noqa: ANN401
    """Logits of all tokens of rows padded at the end, (tokens, words)."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=causal.device)
    lengths = torch.tensor([len(row) for row in rows], device=causal.device)
    mask = torch.arange(width, device=causal.device) < lengths.unsqueeze(1)
    logits = causal(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits
    padded: Tensor = logits[mask]
    return padded


def _packed_logits(causal: Any, rows: Sequence[Sequence[int]]) -> Tensor:  # noqa: ANN401
    """Logits of all tokens of rows in one sequence, (tokens, words)."""
    ids = torch.tensor([[id_ for row in rows for id_ in row]], device=causal.device)
    documents = Documents.of([len(row) for row in rows], causal.device)
    logits: Tensor = vocabulary_head(causal)(packed_states(causal, ids, documents))
    return logits
