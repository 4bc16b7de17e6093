import { basename } from "node:path";

/** The arguments of `hardhat`; undefined in a program that uses Hardhat as a library. */
export function typedWords([, program = "", ...words]: readonly string[]): string[] | undefined {
  return ["hardhat", "cli.js"].includes(basename(program)) ? words : undefined;
}
