/** Country and capital. */
const CAPITALS = [
  ["Austria", "Vienna"],
  ["Brazil", "Brasilia"],
  ["Canada", "Ottawa"],
  ["Chile", "Santiago"],
  ["China", "Beijing"],
  ["Cuba", "Havana"],
  ["Denmark", "Copenhagen"],
  ["Egypt", "Cairo"],
  ["Finland", "Helsinki"],
  ["France", "Paris"],
  ["Germany", "Berlin"],
  ["Greece", "Athens"],
  ["Hungary", "Budapest"],
  ["India", "New Delhi"],
  ["Ireland", "Dublin"],
  ["Italy", "Rome"],
  ["Japan", "Tokyo"],
  ["Kenya", "Nairobi"],
  ["Nepal", "Kathmandu"],
  ["Norway", "Oslo"],
  ["Peru", "Lima"],
  ["Poland", "Warsaw"],
  ["Portugal", "Lisbon"],
  ["Spain", "Madrid"],
  ["Sweden", "Stockholm"],
  ["Thailand", "Bangkok"],
  ["Turkey", "Ankara"],
  ["Vietnam", "Hanoi"],
] as const;

const QUESTIONS = [
  (country: string) => `What is the capital of ${country}?`,
  (country: string) => `Which city is the capital of ${country}?`,
  (country: string) => `${country}: name its capital.`,
] as const;

/**
 * The quick start's dataset: capitals, asked for in three ways, as prompt and completion. Small enough to train in
 * a minute on two cores; the validation dataset asks for known capitals in words not seen with that country.
 */
export function makeDataset(): { train: string; validation: string } {
  const rows = CAPITALS.flatMap(([country, capital], index) =>
    QUESTIONS.map((ask, way) => ({
      line: JSON.stringify({ prompt: ask(country), completion: ` ${capital}.` }),
      isValidation: index % 3 === way && index < 9,
    })),
  );
  const lines = (isValidation: boolean) =>
    rows.filter((row) => row.isValidation === isValidation).map((row) => `${row.line}\n`);
  return { train: lines(false).join(""), validation: lines(true).join("") };
}

export const CONFIG = {
  n_epochs: 20,
  batch_size: 8,
  learning_rate: 0.003,
  lr_scheduler_type: "cosine",
  n_evals: 4,
};
