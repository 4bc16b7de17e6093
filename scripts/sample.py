"""Load a base model and a tuned one with transformers and print their answers as JSON.

usage: sample.py BASE_DIR TUNED_ZIP EXTRACT_DIR PROMPT [PROMPT ...]
"""

import json
import sys
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def answers(directory: str, prompts: list[str]) -> list[str]:
    """Greedy continuations of at most 16 tokens, one per prompt."""
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(directory, local_files_only=True)
    texts = []
    for prompt in prompts:
        inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            output = model.generate(**inputs, max_new_tokens=16, do_sample=False)
        new = output[0, inputs["input_ids"].shape[1] :]
        texts.append(tokenizer.decode(new, skip_special_tokens=True))
    return texts


def main() -> None:
    base, archive, target, *prompts = sys.argv[1:]
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(target)
    (folder,) = map(str, Path(target).iterdir())
    asked = {"base": answers(base, prompts), "tuned": answers(folder, prompts)}
    print(json.dumps({"folder": folder, "prompts": prompts, **asked}))


main()
