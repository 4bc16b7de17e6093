/**
 * How fast the provider daemon is: `npm run bench:provider [-- --json] [--minutes N]`.
 * Events committed per second, milliseconds from a block to the first action, restart with 10,000 tasks, tasks per
 * minute through the whole pipeline with a trainer stub, and the growth of memory. The chain is a local node.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { admitTask } from "../../provider/chain/admitTask.ts";
import { SqliteStore } from "../../provider/store/SqliteStore.ts";
import type { Root, TaskId } from "../../sdk/ids.ts";
import type { TaskEvent } from "../../sdk/task/taskEvents.ts";
import { Anvil } from "../../test/faults/Anvil.ts";
import { Daemon } from "../../test/faults/Daemon.ts";
import { DaemonChild } from "../../test/faults/DaemonChild.ts";
import { FaultFixture } from "../../test/faults/FaultFixture.ts";
import { SimulatedUser } from "../../test/faults/SimulatedUser.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    /** Duration of the soak test. */
    minutes: { type: "string", default: "1" },
  },
});

const EVENTS = 20_000;
/** Events per commit, as many as a range of blocks has. */
const BATCH = 500;
const TASKS = 10_000;
const LOOKS = 20;

interface Figures {
  eventsPerSecond: number;
  blockToActionMs: { median: number; worst: number };
  restartMs: number;
  tasksPerMinute: number;
  soak: { tasks: number; minutes: number; bytesPerTask: number };
}

if (Anvil.isAvailable()) await main();
else
  console.error("SKIPPED: this benchmark needs anvil, which is published for Linux on x64 only.");

async function main(): Promise<void> {
  const market = await FaultFixture.open();
  const folder = mkdtempSync(join(tmpdir(), "anneal-bench-"));
  try {
    const figures: Figures = {
      eventsPerSecond: measureEvents(market, join(folder, "events")),
      blockToActionMs: await measureFirstAction(market, join(folder, "action")),
      restartMs: await measureRestart(market, join(folder, "restart")),
      ...(await soak(market, join(folder, "soak"), Number(values.minutes))),
    };
    if (values.json) console.log(JSON.stringify(figures));
    else print(figures);
  } finally {
    await market.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Tasks and their creation, as the watcher commits them. */
function fillStore(market: FaultFixture, directory: string, count: number): SqliteStore {
  mkdirSync(directory);
  const store = SqliteStore.open(directory);
  store.claim(market.identity);
  for (let first = 0; first < count; first += BATCH) {
    store.transaction(() => {
      for (let number = first; number < Math.min(count, first + BATCH); number++) {
        const event = created(number);
        admitTask(store, event);
        if (store.putEvent(event)) store.markStale(event.id);
      }
      store.putScannedBlock({ number: first, hash: hex(first, 32) });
    });
  }
  return store;
}

function measureEvents(market: FaultFixture, directory: string): number {
  const started = performance.now();
  fillStore(market, directory, EVENTS).close();
  return Math.round(EVENTS / ((performance.now() - started) / 1000));
}

/** From a block with an order to the start of the first step, with a poll interval of 20 ms. */
async function measureFirstAction(market: FaultFixture, directory: string) {
  await market.goOn();
  mkdirSync(directory);
  let acted: () => void = () => undefined;
  const beforeStep = (step: string) => (step === "verify" ? acted() : undefined);
  const daemon = new Daemon(market, {
    directory,
    confirmations: 0,
    pollInterval: 2_000,
    beforeStep,
  });
  const times: number[] = [];
  for (let look = 0; look < LOOKS; look++) {
    const user = new SimulatedUser(market, directory, 2, "confirm");
    const action = new Promise<void>((resolve) => {
      acted = resolve;
    });
    await user.place();
    const started = performance.now();
    await action;
    times.push(performance.now() - started);
  }
  await daemon.stop();
  times.sort((a, b) => a - b);
  return { median: Math.round(times[LOOKS / 2]!), worst: Math.round(times.at(-1)!) };
}

/** The real daemon with many open tasks, from start to ready. */
async function measureRestart(market: FaultFixture, directory: string): Promise<number> {
  fillStore(market, directory, TASKS).close();
  const started = performance.now();
  const daemon = new DaemonChild(market, directory);
  await daemon.ready();
  const milliseconds = Math.round(performance.now() - started);
  await daemon.end("SIGKILL");
  return milliseconds;
}

/** Users who order again from the real daemon as soon as their order is delivered. */
async function soak(market: FaultFixture, directory: string, minutes: number) {
  await market.goOn();
  mkdirSync(directory);
  const daemon = new DaemonChild(market, directory);
  await daemon.ready();
  const over = AbortSignal.timeout(minutes * 60_000);
  const samples: { tasks: number; bytes: number }[] = [];
  let tasks = 0;
  const buy = async (account: number) => {
    while (!over.aborted) {
      const user = new SimulatedUser(market, directory, account, "confirm");
      await user.place();
      while (!(await user.poll()) && !over.aborted) await wait(5);
      if (user.hasEnded()) samples.push({ tasks: ++tasks, bytes: residentBytes(daemon.pid) });
    }
  };
  await Promise.all([2, 3, 4, 5].map(buy));
  await daemon.end("SIGTERM");
  return {
    tasksPerMinute: Math.round(tasks / minutes),
    soak: { tasks, minutes, bytesPerTask: Math.round(slope(samples.slice(samples.length >> 1))) },
  };
}

/** Memory of a process, as Linux counts it. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1_024;
}

/** Least squares. */
function slope(samples: readonly { tasks: number; bytes: number }[]): number {
  const mean = (of: (sample: { tasks: number; bytes: number }) => number) =>
    samples.reduce((total, sample) => total + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ tasks }) => tasks), mean(({ bytes }) => bytes)];
  const covariance = mean(({ tasks, bytes }) => (tasks - x) * (bytes - y));
  return covariance / mean(({ tasks }) => (tasks - x) ** 2);
}

function hex(number: number, bytes: number): string {
  return `0x${number.toString(16).padStart(bytes * 2, "0")}`;
}

function created(number: number): Extract<TaskEvent, { name: "TaskCreated" }> {
  const order = {
    provider: hex(1, 20),
    nonce: BigInt(number),
    offer: 1,
    validUntil: 2 ** 40 - 1,
    units: 5n,
    maxFee: 10n,
    modelHash: hex(2, 32),
    datasetRoot: hex(3, 32) as Root,
    validationRoot: null,
    blindRoot: hex(4, 32),
    userKey: hex(5, 33),
    config: {},
  };
  return {
    name: "TaskCreated",
    id: hex(number + 1, 16) as TaskId,
    user: hex((number % 97) + 1, 20),
    provider: order.provider,
    fee: 10n,
    order,
    previousBlock: null,
    blockNumber: number >> 3,
    blockHash: hex(number >> 3, 32),
    transactionHash: hex(number, 32),
    logIndex: number & 7,
  };
}

function print({ eventsPerSecond, blockToActionMs, restartMs, tasksPerMinute, soak }: Figures) {
  console.log(`events committed        ${eventsPerSecond}/s`);
  console.log(
    `block to first action   ${blockToActionMs.median} ms, worst ${blockToActionMs.worst} ms`,
  );
  console.log(`restart, ${TASKS} tasks   ${restartMs} ms`);
  console.log(`tasks, whole pipeline   ${tasksPerMinute}/min`);
  console.log(
    `memory                  ${soak.bytesPerTask} bytes per task, over ${soak.tasks} tasks`,
  );
}
