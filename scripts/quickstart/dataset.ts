/**
 * The quick start's dataset: sums of two numbers below ten, as prompt and completion. Small enough to train in a
 * minute on two cores, regular enough that one sees a random model learn something.
 */
export function makeDataset(): { train: string; validation: string } {
  const rows: string[] = [];
  for (let a = 0; a < 10; a++) {
    for (let b = 0; b < 10; b++) {
      rows.push(
        JSON.stringify({
          prompt: `What is ${a} plus ${b}?`,
          completion: ` ${a} plus ${b} is ${a + b}.`,
        }),
      );
    }
  }
  const isValidation = (_: string, index: number) => index % 10 === 7;
  const validation = rows.filter(isValidation);
  const train = rows.filter((row, index) => !isValidation(row, index));
  return { train: `${train.join("\n")}\n`, validation: `${validation.join("\n")}\n` };
}

export const CONFIG = {
  n_epochs: 20,
  batch_size: 8,
  learning_rate: 0.003,
  lr_scheduler_type: "cosine",
  n_evals: 4,
};
