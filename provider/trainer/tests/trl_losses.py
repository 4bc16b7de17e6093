"""The losses of TRL's trainers: `python trl_losses.py MODEL < RUNS`, for test_methods.py.

RUNS is a JSON object of runs by name: {"trainer", "config", "rows", "steps", "batch"}. Prints the
losses of every step of each run as JSON.
"""

import json
import os
import sys
import tempfile

os.environ.update(TRL_EXPERIMENTAL_SILENCE="1", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")

import torch
import transformers
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

TRAINERS = {
    "sft": (SFTTrainer, SFTConfig),
    "dpo": (DPOTrainer, DPOConfig),
    "cpo": (CPOTrainer, CPOConfig),
    "orpo": (ORPOTrainer, ORPOConfig),
    "kto": (KTOTrainer, KTOConfig),
}


def losses(directory, run):
    trainer_class, config_class = TRAINERS[run["trainer"]]
    with tempfile.TemporaryDirectory() as folder:
        config = config_class(
            output_dir=folder,
            per_device_train_batch_size=run["batch"],
            max_steps=run["steps"],
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            train_sampling_strategy="sequential",
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
            **run["config"],
        )
        trainer = trainer_class(
            model=AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32),
            args=config,
            train_dataset=Dataset.from_list(run["rows"]),
            processing_class=AutoTokenizer.from_pretrained(directory),
        )
        trainer.remove_callback(PrinterCallback)
        # Logs are rounded; the loss of a step is what the trainer computes.
        found = []
        compute = trainer.training_step

        def note(*arguments, **options):
            found.append(compute(*arguments, **options).item())
            return torch.tensor(found[-1])

        trainer.training_step = note
        trainer.train()
        return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    disable_progress_bars()
    runs = json.load(sys.stdin)
    print(json.dumps({name: losses(sys.argv[1], run) for name, run in runs.items()}))
