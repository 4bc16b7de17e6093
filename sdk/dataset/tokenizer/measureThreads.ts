import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { TextKind } from "../formats/parseRow.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import type { RowTreatment } from "./maskRow.ts";
import { createRowMeasurer, type RowMeasure } from "./measureRow.ts";
import { onFirstUse, type TokenizerDocument } from "./TokenizerDocument.ts";

/** What all rows of a dataset are measured for. */
export interface Assignment {
  readonly document: TokenizerDocument;
  readonly treatment: RowTreatment;
  readonly kind: TextKind;
}

export interface Request {
  readonly id: number;
  readonly lines: readonly string[];
}

export interface Answer {
  readonly id: number;
  /** Undefined if a row could not be measured. */
  readonly measures?: PackedMeasures;
}

/** Measures of rows, in a form that threads can hand over without a copy. */
export interface PackedMeasures {
  /** tokens, kept and learned of each row. */
  readonly figures: Float64Array<ArrayBuffer>;
  /** By the number of the row; most rows have none. */
  readonly findings: ReadonlyMap<number, RowMeasure["findings"]>;
}

export function packMeasures(measures: readonly RowMeasure[]): PackedMeasures {
  const figures = new Float64Array(
    measures.flatMap(({ tokens, kept, learned }) => [tokens, kept, learned]),
  );
  const findings = new Map(
    measures.flatMap((each, row) =>
      each.findings.length > 0 ? [[row, each.findings] as const] : [],
    ),
  );
  return { figures, findings };
}

function unpackMeasure({ figures, findings }: PackedMeasures, row: number): RowMeasure {
  const [tokens, kept, learned] = figures.subarray(3 * row);
  return {
    tokens: tokens!,
    kept: kept!,
    learned: learned!,
    findings: findings.get(row) ?? [],
  };
}

/** A scanned row with its measure, if it is valid. */
export interface MeasuredRow {
  readonly scanned: ScannedRow;
  readonly measure: RowMeasure | undefined;
}

/** Rows that a thread is given at once, and batches that wait for each thread. */
const BATCH_ROWS = 250;
const BATCHES_AHEAD = 2;
/** Memory for a thread's short-lived objects, nearly all of them: more of it makes nothing faster. */
const YOUNG_MIB = 4;
/** Datasets of at least this size are measured in threads, which take a quarter of a second to start. */
const WORTHWHILE_BYTES = 16 * 2 ** 20;

/**
 * Measures the rows of a dataset, in their order: if it is large and its rows are lines of JSON, in one thread for each
 * core.
 * @param bytes Size of the file.
 * @throws ProtocolError "usage" if the tokenizer does not allow exact counts.
 */
export async function* measureRows(
  rows: AsyncIterable<ScannedRow>,
  assignment: Assignment,
  bytes: number,
): AsyncGenerator<MeasuredRow> {
  const measure = onFirstUse(() => createRowMeasurer(assignment.document, assignment.treatment));
  const here = ({ row }: ScannedRow) => row && measure()(row);
  const threads = bytes < WORTHWHILE_BYTES ? [] : startThreads(assignment);
  if (threads.length === 0) {
    for await (const scanned of rows) yield { scanned, measure: here(scanned) };
    return;
  }
  const waiting: { batch: readonly ScannedRow[]; answer: Promise<Answer["measures"]> }[] = [];
  async function* finishFirst(): AsyncGenerator<MeasuredRow> {
    const { batch, answer } = waiting.shift()!;
    const measures = await answer;
    let next = 0;
    for (const scanned of batch) {
      const isMeasured = measures && scanned.row && scanned.source !== undefined;
      yield { scanned, measure: isMeasured ? unpackMeasure(measures, next++) : here(scanned) };
    }
  }
  try {
    for await (const batch of inBatches(rows)) {
      const thread = threads[waiting.length % threads.length]!;
      waiting.push({ batch, answer: leastBusy(threads, thread).measure(linesOf(batch)) });
      if (waiting.length >= BATCHES_AHEAD * threads.length) yield* finishFirst();
    }
    while (waiting.length > 0) yield* finishFirst();
  } finally {
    for (const thread of threads) thread.end();
  }
}

const linesOf = (batch: readonly ScannedRow[]) =>
  batch.flatMap(({ row, source }) => (row && source !== undefined ? [source] : []));

async function* inBatches(rows: AsyncIterable<ScannedRow>): AsyncGenerator<readonly ScannedRow[]> {
  let batch: ScannedRow[] = [];
  for await (const row of rows) {
    batch.push(row);
    if (batch.length < BATCH_ROWS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function leastBusy(threads: readonly MeasureThread[], first: MeasureThread): MeasureThread {
  return threads.reduce((least, each) => (each.busy < least.busy ? each : least), first);
}

/** None if threads are not permitted here. */
function startThreads(assignment: Assignment): readonly MeasureThread[] {
  try {
    return Array.from({ length: availableParallelism() }, () => new MeasureThread(assignment));
  } catch {
    return [];
  }
}

/** A thread that measures rows. If it fails, it answers nothing, and the rows are measured here. */
class MeasureThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (measures: Answer["measures"]) => void>();
  #next = 0;
  #isLost = false;

  constructor(assignment: Assignment) {
    const file = `./measureThread${extname(import.meta.url)}`;
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: assignment,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker.on("message", ({ id, measures }: Answer) => this.#answer(id, measures));
    this.#worker.once("error", () => this.#giveUp());
    this.#worker.once("exit", () => this.#giveUp());
  }

  /** Number of batches in progress. */
  get busy(): number {
    return this.#waiting.size;
  }

  measure(lines: readonly string[]): Promise<Answer["measures"]> {
    if (this.#isLost) return Promise.resolve(undefined);
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, lines } satisfies Request);
    });
  }

  end(): void {
    this.#worker.terminate();
  }

  #answer(id: number, measures: Answer["measures"]): void {
    this.#waiting.get(id)?.(measures);
    this.#waiting.delete(id);
  }

  #giveUp(): void {
    this.#isLost = true;
    for (const id of [...this.#waiting.keys()]) this.#answer(id, undefined);
  }
}
