"""Learning rate, spread of evaluations and checkpoints, order of rows: against closed forms."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anneal_trainer.job import Hyperparameters, load_schema
from anneal_trainer.schedule import Plan, learning_rate

RULES = load_schema()["$defs"]["hyperparameters"]["properties"]
DEFAULTS = Hyperparameters(
    **{name: RULES[name].get("default") for name in Hyperparameters.__dataclass_fields__}
)


def parameters(**changes):
    return replace(DEFAULTS, **changes)


@pytest.mark.parametrize("floor", [0.0, 0.1, 1.0])
def test_linear_falls_in_a_straight_line_to_the_floor(floor):
    chosen = parameters(learning_rate=1e-3, min_lr_ratio=floor)
    rates = [learning_rate(step, 10, chosen) for step in range(10)]
    assert rates == pytest.approx([1e-3 * (floor + (1 - floor) * (10 - n) / 10) for n in range(10)])


@pytest.mark.parametrize("cycles", [0.0, 0.5, 1.0, 2.5])
def test_cosine_follows_its_formula(cycles):
    chosen = parameters(
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        min_lr_ratio=0.2,
        scheduler_num_cycles=cycles,
        warmup_ratio=0.1,
    )
    for step in range(2, 20):
        wave = math.cos(2 * math.pi * cycles * (step - 2) / 18)
        expected = 1e-3 * (0.2 + 0.8 * 0.5 * (1 + wave))
        assert learning_rate(step, 20, chosen) == pytest.approx(expected)


def test_warm_up_rises_in_equal_parts_to_the_peak():
    chosen = parameters(learning_rate=1e-3, warmup_ratio=0.25)
    rates = [learning_rate(step, 16, chosen) for step in range(6)]
    assert rates[:4] == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])
    assert rates[4] == pytest.approx(1e-3)
    assert rates[5] < rates[4]


@given(
    total=st.integers(1, 500),
    warmup=st.floats(0, 1),
    floor=st.floats(0, 1),
    cycles=st.floats(0, 10),
    shape=st.sampled_from(["linear", "cosine"]),
    data=st.data(),
)
def test_the_rate_is_never_negative_nor_above_the_peak(total, warmup, floor, cycles, shape, data):
    chosen = parameters(
        learning_rate=1e-2,
        warmup_ratio=warmup,
        min_lr_ratio=floor,
        scheduler_num_cycles=cycles,
        lr_scheduler_type=shape,
    )
    step = data.draw(st.integers(0, total - 1))
    assert 0 <= learning_rate(step, total, chosen) <= 1e-2 * (1 + 1e-12)


plans = st.builds(
    lambda rows, batch, **changes: Plan(rows, batch, parameters(**changes)),
    rows=st.integers(1, 60),
    batch=st.integers(1, 10),
    n_epochs=st.integers(1, 6),
    n_evals=st.integers(0, 20),
    gradient_accumulation_steps=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)


@given(plan=plans, data=st.data())
def test_evaluations_and_checkpoints_are_spread_and_end_with_the_last_step(plan, data):
    epochs, total = plan.parameters.n_epochs, plan.total_steps
    kept = data.draw(st.integers(1, epochs))
    plan = replace(plan, parameters=replace(plan.parameters, n_checkpoints=kept))
    assert len(plan.checkpoint_after) == kept
    assert max(plan.checkpoint_after) == total
    assert all(step % plan.steps_per_epoch == 0 for step in plan.checkpoint_after)
    wanted = plan.parameters.n_evals
    assert len(plan.evaluate_after) == min(wanted, total)
    assert all(1 <= step <= total for step in plan.evaluate_after)
    if wanted:
        assert max(plan.evaluate_after) == total
        marks = sorted(plan.evaluate_after)
        gaps = [after - before for before, after in zip([0, *marks], marks, strict=False)]
        assert max(gaps) - min(gaps) <= 1


@given(plan=plans)
def test_every_epoch_takes_every_row_once_in_an_order_of_its_own(plan):
    per_epoch = plan.steps_per_epoch
    orders = []
    for epoch in range(min(plan.parameters.n_epochs, 2)):
        steps = [plan.batches(epoch * per_epoch + place) for place in range(per_epoch)]
        assert all(len(batch) <= plan.batch_size for step in steps for batch in step)
        assert all(len(step) <= plan.parameters.gradient_accumulation_steps for step in steps)
        orders.append([row for step in steps for batch in step for row in batch])
        assert sorted(orders[-1]) == list(range(plan.rows))
    if plan.rows > 20 and len(orders) == 2:
        assert orders[0] != orders[1]
    again = Plan(plan.rows, plan.batch_size, plan.parameters)
    assert again.batches(0) == plan.batches(0)
