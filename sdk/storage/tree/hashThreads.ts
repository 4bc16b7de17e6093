import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { hasherParts, hashTree } from "./keccak.ts";
import { NODE_BYTES } from "./merkle.ts";
import { CHUNK_BYTES, SEGMENT_BYTES, segmentLeafCount, segmentRoot } from "./segment.ts";

/** Root of segment `index` of a content, 32 bytes; `bytes` may be reused once the promise is resolved. */
export type RootSegment = (bytes: Uint8Array, index: number) => Promise<Uint8Array>;

/** Content of at least this size is hashed in threads. Starting one takes as long as hashing some 30 MiB. */
const WORTHWHILE_BYTES = 128 * 1024 * 1024;

/** Threads besides this one. Each takes some 8 MB of memory, and no disk is fast enough for more. */
const MAX_THREADS = 7;

/** Segments in progress per thread: one being hashed, and the next one ready. */
const SLOTS = 2;
const SLOT_BYTES = SEGMENT_BYTES + NODE_BYTES;

const threadCount = () => Math.min(MAX_THREADS, availableParallelism() - 1);

/** Segments that can be hashed at once, each held in memory: those in the threads, and one here. */
export const HASHED_AT_ONCE = SLOTS * threadCount() + 1;

/** Hashes the segments of a content of `size` bytes: in this thread if it is small, otherwise on all cores. */
export function segmentHasher(size: number): RootSegment {
  const threads = size < WORTHWHILE_BYTES ? null : startThreads();
  if (!threads) return async (bytes, index) => segmentRoot(bytes, index, size);
  return (bytes, index) => threads.root(bytes, segmentLeafCount(index, size));
}

let threads: { readonly started: HashThreads | null } | undefined;

/** The threads of this process, started on first use. They do not keep the process alive. */
function startThreads(): HashThreads | null {
  threads ??= { started: tryToStart(threadCount()) };
  return threads.started;
}

function tryToStart(count: number): HashThreads | null {
  try {
    return count === 0 ? null : new HashThreads(count);
  } catch {
    return null; // threads are not permitted here
  }
}

/** Threads that compute roots. If none is free or one fails, this thread, which would only wait, computes the root. */
class HashThreads {
  readonly #threads: HashThread[];

  constructor(count: number) {
    this.#threads = Array.from({ length: count }, () => new HashThread());
  }

  async root(bytes: Uint8Array, count: number): Promise<Uint8Array> {
    const thread = this.#threads.reduce((a, b) => (b.free > a.free ? b : a));
    return (thread.free > 0 && (await thread.root(bytes, count))) || hashTree(bytes, count);
  }
}

class HashThread {
  readonly #shared = new SharedArrayBuffer(SLOTS * SLOT_BYTES);
  readonly #slots = Array.from(
    { length: SLOTS },
    (_, slot) => new Uint8Array(this.#shared, slot * SLOT_BYTES, SLOT_BYTES),
  );
  readonly #free = this.#slots.map((_, slot) => slot);
  /** Callbacks for when the root of a slot is ready. */
  readonly #busy = new Map<number, () => void>();
  readonly #worker: Worker;
  #isReady = false;

  constructor() {
    const layout = { shared: this.#shared, slotBytes: SLOT_BYTES, rootBytes: NODE_BYTES };
    this.#worker = new Worker(new URL("./hashThread.mjs", import.meta.url), {
      workerData: { ...hasherParts(), ...layout },
      execArgv: [], // without the program's loaders
    });
    this.#worker.on("message", (slot: number | null) => {
      if (slot === null) this.#isReady = true;
      else this.#end(slot);
    });
    this.#worker.once("error", () => this.#giveUp());
    this.#worker.once("exit", () => this.#giveUp());
    this.#worker.unref(); // last, as adding a message listener undoes it
  }

  /** Number of free slots. */
  get free(): number {
    return this.#isReady ? this.#free.length : 0;
  }

  /** Uses a free slot. @returns null if the thread ends meanwhile. */
  async root(bytes: Uint8Array, count: number): Promise<Uint8Array | null> {
    const slot = this.#free.pop()!;
    this.#slots[slot]!.set(bytes);
    this.#worker.ref(); // an idle thread must not keep the process alive, but a busy one must
    await new Promise<void>((resolve) => {
      this.#busy.set(slot, resolve);
      this.#worker.postMessage({ slot, length: bytes.length, count, chunkBytes: CHUNK_BYTES });
    });
    this.#free.push(slot);
    if (this.#busy.size === 0) this.#worker.unref();
    return this.#isReady ? this.#slots[slot]!.slice(SEGMENT_BYTES) : null;
  }

  #end(slot: number): void {
    const resolve = this.#busy.get(slot);
    this.#busy.delete(slot);
    resolve?.();
  }

  #giveUp(): void {
    this.#isReady = false;
    for (const slot of [...this.#busy.keys()]) this.#end(slot);
  }
}
