/**
 * Ends the processes of a quick start that has died for any reason, which closes the pipe to this process. Each line on
 * stdin is an order. Runs in its own session, so that no signal of a terminal reaches it.
 */
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { ProcessIdentity } from "../../provider/processes/processTable.ts";
import { endProcess } from "./endProcess.ts";

/** An order of the quick start. */
export type WatchdogOrder =
  /** End this process; the newest is ended first. */
  | { readonly end: ProcessIdentity }
  /** Then remove this temporary directory. */
  | { readonly remove: string }
  /** Do nothing: everything has ended, or may outlive the quick start. */
  | { readonly release: true };

const processes: ProcessIdentity[] = [];
const directories: string[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as WatchdogOrder;
  if ("release" in order) process.exit();
  if ("end" in order) processes.unshift(order.end);
  else directories.push(order.remove);
}
for (const one of processes) await endProcess(one);
for (const path of directories) await rm(path, { recursive: true, force: true });
