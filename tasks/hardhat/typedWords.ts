import { basename } from "node:path";

/** What was typed after `hardhat`; undefined in a program that merely uses Hardhat. */
export function typedWords([, program = "", ...words]: readonly string[]): string[] | undefined {
  return ["hardhat", "cli.js"].includes(basename(program)) ? words : undefined;
}
