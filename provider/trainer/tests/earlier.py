"""The losses of delivered models in the transformers that is installed: `python tests/earlier.py`.

For tests/matrix.py, which runs it with transformers 4 on its path. On stdin a list of {"kind",
"base", "delivered", "rows": [{"ids", "labels"}]}; on stdout for each of them a list of the mean
loss of each row, or {"error"} if it cannot be loaded.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers
from peft import PeftModel

AUTO_CLASSES = {
    "causal-lm": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
}


def load(kind, base, delivered):
    auto = getattr(transformers, AUTO_CLASSES[kind])
    config = transformers.AutoConfig.from_pretrained(delivered)
    options = {"attn_implementation": "eager", "dtype": torch.float32, "config": config}
    if not (Path(delivered) / "adapter_config.json").exists():
        return auto.from_pretrained(delivered, **options).eval()
    return PeftModel.from_pretrained(auto.from_pretrained(base, **options), delivered).eval()


@torch.no_grad()
def losses(kind, base, delivered, rows):
    try:
        model = load(kind, base, delivered)
        return [
            model(input_ids=torch.tensor([row["ids"]]), labels=torch.tensor([row["labels"]]))
            .loss.item()
            for row in rows
        ]  # fmt: skip
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}


def main():
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = [losses(**delivery) for delivery in json.load(sys.stdin)]
    json.dump({"version": transformers.__version__, "losses": found}, sys.stdout)


if __name__ == "__main__":
    main()
