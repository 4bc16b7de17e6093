/** The hyper-parameters that the user set, by their canonical names; absent ones have their defaults. */
export interface Hyperparameters {
  n_epochs?: number;
  n_evals?: number;
  n_checkpoints?: number;
  batch_size?: number | "max";
  learning_rate?: number;
  lr_scheduler_type?: "linear" | "cosine";
  min_lr_ratio?: number;
  scheduler_num_cycles?: number;
  warmup_ratio?: number;
  max_grad_norm?: number;
  weight_decay?: number;
  train_on_inputs?: boolean | "auto";
  lora?: boolean;
  lora_r?: number;
  lora_alpha?: number;
  lora_dropout?: number;
  lora_trainable_modules?: string;
  suffix?: string;
  seed?: number;
  packing?: boolean;
  max_seq_length?: number;
  gradient_accumulation_steps?: number;
  early_stopping_patience?: number;
  deterministic?: boolean;
  from_checkpoint?: string;
  from_hf_model?: string;
  hf_model_revision?: string;
  hf_output_repo_name?: string;
  wandb_project_name?: string;
  wandb_name?: string;
  wandb_base_url?: string;
}
