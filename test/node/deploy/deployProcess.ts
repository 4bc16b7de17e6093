import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");

/** Starts `npx hardhat …` in its own process, without a terminal, in this project or a copy of it. */
export const start = (words: readonly string[], env: Record<string, string> = {}, root = ROOT) =>
  spawn(process.execPath, [HARDHAT, ...words], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, CI: "true", NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });

/** The output of a process at its end. */
export async function ended(child: ReturnType<typeof start>) {
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "close"),
  ]);
  return { stdout, stderr, exitCode };
}

/** The URL that a node prints. */
export function addressIn(node: ChildProcess): Promise<string> {
  let output = "";
  return new Promise((resolve, reject) => {
    node.once("exit", () => reject(new Error(`The node ended early: ${output}`)));
    node.stdout!.on("data", (data: Buffer) => {
      output = (output + data).slice(-10_000); // read until it ends: a full pipe would block it
      const url = /server at (http:\/\/[\d.]+:\d+)/.exec(output)?.[1];
      if (url) resolve(url);
    });
  });
}
