/** Names in 0G's configuration templates (those of Hugging Face's Trainer and of TRL) and their counterparts here. */
export const FOREIGN_NAMES: ReadonlyMap<string, string> = new Map([
  ["num_train_epochs", "n_epochs"],
  ["per_device_train_batch_size", "batch_size"],
  ["label_smoothing", "dpo_label_smoothing"],
  ["desirable_weight", "kto_desirable_weight"],
  ["undesirable_weight", "kto_undesirable_weight"],
]);

const CHECKPOINTS = "Remove it; n_checkpoints sets how many checkpoints are kept.";
const EVALUATIONS = "Remove it; n_evals sets the number of evaluations.";
const LENGTH = "Remove it; n_epochs sets how long to train.";
const MACHINE = "Remove it; the provider chooses what suits the machine.";
const OPTIMIZER = "Remove it; optimizer is adamw or adamw_8bit, with their usual settings.";
const OUTPUT = "Remove it; you choose a path when you download and decrypt the model.";
const SECRET = "Remove it at once: the configuration is public on chain.";

/** Names in those templates without a counterpart, and what to do instead. */
export const WITHOUT_COUNTERPART: ReadonlyMap<string, string> = new Map([
  ["save_steps", CHECKPOINTS],
  ["save_strategy", CHECKPOINTS],
  ["save_total_limit", CHECKPOINTS],
  ["load_best_model_at_end", CHECKPOINTS],
  ["eval_steps", EVALUATIONS],
  ["eval_strategy", EVALUATIONS],
  ["evaluation_strategy", EVALUATIONS],
  ["metric_for_best_model", EVALUATIONS],
  ["greater_is_better", EVALUATIONS],
  ["logging_steps", "Remove it; every step is logged."],
  ["logging_strategy", "Remove it; every step is logged."],
  ["logging_dir", OUTPUT],
  ["output_dir", OUTPUT],
  ["overwrite_output_dir", OUTPUT],
  ["push_to_hub", OUTPUT],
  ["max_steps", LENGTH],
  ["warmup_steps", "Use warmup_ratio, the share of all steps."],
  ["report_to", "Use wandb_project_name."],
  ["fp16", MACHINE],
  ["bf16", MACHINE],
  ["gradient_checkpointing", MACHINE],
  ["dataloader_num_workers", MACHINE],
  ["group_by_length", MACHINE],
  ["per_device_eval_batch_size", MACHINE],
  ["optim", OPTIMIZER],
  ["adam_beta1", OPTIMIZER],
  ["adam_beta2", OPTIMIZER],
  ["adam_epsilon", OPTIMIZER],
  ["beta", "Use dpo_beta, or with training_method orpo orpo_lambda."],
  ["loss_type", "Use training_method."],
  ["load_in_4bit", "Use quantize, whose value is nf4."],
  ["neftune_noise_alpha", "Remove it; no noise is added to embeddings."],
  [
    "remove_unused_columns",
    "Remove it; a check of the dataset names every field that is not used.",
  ],
  ["wandb_api_key", SECRET],
  ["hf_api_token", SECRET],
  ["hub_token", SECRET],
]);
