import { ProtocolError } from "../sdk/errors.ts";
import { readConfig } from "./config.ts";
import { Daemon } from "./Daemon.ts";
import { hintFor, type ProviderError } from "./errors.ts";
import { createLog } from "./log.ts";

/** Runs until SIGTERM or SIGINT, then stops the training runs so that they can resume, and exits with code 0. */
async function main(): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  let log = createLog("info");
  try {
    const config = readConfig();
    log = createLog(config.logLevel);
    const daemon = await Daemon.start(config, { log, signal: stop.signal });
    await daemon.ended;
    log.info("stopped");
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return log.info("stopped");
    const hint = error instanceof ProtocolError ? hintFor(error) : (error as ProviderError).hint;
    log.fatal({ hint, err: error }, (error as Error).message);
    process.exitCode = 1;
  }
}

await main();
