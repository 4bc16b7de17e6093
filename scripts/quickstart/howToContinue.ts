import { EXAMPLES, NETWORK_DIRECTORY } from "./paths.ts";
import { title } from "./print.ts";

const DATA = "output/my-data.jsonl";

/** What a newcomer types on a network that keeps running, to train on data of their own. */
export const OWN_DATA = [
  `cp -n ${EXAMPLES}/capitals.jsonl ${DATA}`,
  `npx hardhat fine-tuning create --model tiny-qwen2 --training-file ${DATA} --n-epochs 20 --learning-rate 0.003 --wait --output output/my-model.zip --network localhost`,
  "npx hardhat fine-tuning list --network localhost",
] as const;

/** How to continue by hand on a network that keeps running. */
export function sayHowToUse(): void {
  const [copy, order, list] = OWN_DATA;
  console.log("To train on your own data, edit a copy of the example data:\n");
  console.log(`  ${copy}\n`);
  console.log("Each line is a question and its answer. Then order; your wallet has enough:\n");
  console.log(`  ${order}`);
  console.log(`  ${list}\n`);
  console.log("All commands, and the end of this network:\n");
  console.log("  npx hardhat --help");
  console.log("  npm stop\n");
  console.log(`Its state and logs are in ${NETWORK_DIRECTORY}.`);
}

/** How to continue after a network that ends. */
export function sayHowToKeep(): void {
  title("Next: your own data");
  console.log("This network ends now. One that keeps running shows what to type at its end:\n");
  console.log("  npm start -- --keep");
}
