"""Print estimated and measured peak memory of training steps: one JSON object per way to train.

Run with MALLOC_MMAP_THRESHOLD_, so that memory which tensors free returns to the system: what is
measured is then the memory of tensors, as on a GPU, and not what an allocator keeps besides.
"""

import gc
import json
import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.update(HF_HUB_OFFLINE="1", OMP_WAIT_POLICY="passive")

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen2Config

from anneal_trainer import batch_size
from anneal_trainer.data.batch import make_batch, make_packed_batch
from anneal_trainer.data.example import Example
from anneal_trainer.loss.score import score
from anneal_trainer.model.packing import try_packing

CPU = torch.device("cpu")
WORDS = 8_000
LENGTHS = [40, 120, *[240] * 8]
WAYS = [
    {"lora": True, "packed": True, "checkpointing": False},
    {"lora": False, "packed": False, "checkpointing": True},
]


class Rows(list):
    @property
    def sizes(self):
        return [len(row.ids) for row in self]


def main():
    torch.set_num_threads(1)
    for way in WAYS:
        print(json.dumps({**way, **measure(**way)}), flush=True)


def measure(*, lora, packed, checkpointing):
    model = make_model(lora=lora)
    rows = Rows(make_row(number, length) for number, length in enumerate(LENGTHS))
    if packed:
        assert try_packing(model, [row.ids for row in rows]) is None
    collate = (
        partial(make_packed_batch, device=CPU)
        if packed
        else partial(make_batch, pad_id=0, device=CPU)
    )
    batch = collate(rows[-8:])
    meter = batch_size._Meter(model, rows, collate, torch.float32)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    trained = sum(weight.numel() for weight in weights)
    batch_size.recompute(model, on=checkpointing)
    estimate = meter.estimate(batch, trained * 4, trained * 8, checkpointing=checkpointing)
    optimizer = torch.optim.AdamW(weights, fused=True)
    gc.collect()
    before = read("VmRSS")
    for _ in range(2):
        Path("/proc/self/clear_refs").write_text("5")
        (score(model, batch, torch.float32).loss / batch.count).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        peak = read("VmHWM") - before
    everything = sum(weight.nbytes for weight in model.parameters())
    return {"estimate": everything + estimate.total, "measured": everything + peak}


def make_model(*, lora):
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=WORDS, hidden_size=256, intermediate_size=768, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    if lora:
        settings = LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")
        model = get_peft_model(model, settings)
    return model.train()


def make_row(number, length):
    ids = [(number * 37 + place * 11) % WORDS for place in range(length)]
    return Example(number, ids, [True] * length, prompt_length=1, label=-1, text="")


def read(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) * 1024


if __name__ == "__main__":
    main()
