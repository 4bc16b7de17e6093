/**
 * A stub for Python: it counts one row in every dataset, and of a training run does only what `work` says, in
 * JavaScript with node:fs as `fs`, the training run's `directory` and `event(value)`.
 */
export function standInTrainer(work: string): string {
  return `#!${process.execPath}
if (process.argv.includes("anneal_trainer.count")) console.log('{"rows": 1, "tokens": 1}');
if (!process.argv.includes("--job-dir")) process.exit(0);
const fs = require("node:fs");
const directory = process.argv.at(-1) + "/work";
const event = (value) => fs.appendFileSync(directory + "/events.jsonl", JSON.stringify(value) + "\\n");
${work}`;
}
