import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

const ROOT = resolve(import.meta.dirname, "../../..");
const HARDHAT = join(ROOT, "node_modules/hardhat/dist/src/cli.js");

/** Starts `npx hardhat …` in a process of its own, without a terminal. */
export const start = (words: readonly string[], env: Record<string, string> = {}) =>
  spawn(process.execPath, [HARDHAT, ...words], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, CI: "true", NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });

/** What a process that was started has printed at its end. */
export async function ended(child: ReturnType<typeof start>) {
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "close"),
  ]);
  return { stdout, stderr, exitCode };
}

/** Where a node says that it answers. */
export function addressIn(node: ChildProcess): Promise<string> {
  let output = "";
  return new Promise((resolve, reject) => {
    node.once("exit", () => reject(new Error(`The node ended early: ${output}`)));
    node.stdout!.on("data", (data: Buffer) => {
      output = (output + data).slice(-10_000); // read to the end of its life: a full pipe would stop it
      const url = /server at (http:\/\/[\d.]+:\d+)/.exec(output)?.[1];
      if (url) resolve(url);
    });
  });
}
