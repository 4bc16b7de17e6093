/** A thread that measures rows: see measureThreads.ts. */
import { parentPort, workerData } from "node:worker_threads";
import type { DatasetRow } from "../formats/DatasetRow.ts";
import { parseJsonRow } from "../formats/parseRow.ts";
import { createRowMeasurer, type RowMeasure } from "./measureRow.ts";
import { type Answer, type Assignment, packMeasures, type Request } from "./measureThreads.ts";

const { document, treatment, kind } = workerData as Assignment;
const measure = createRowMeasurer(document, treatment);

function measureLine(line: string): RowMeasure {
  return measure(parseJsonRow(line, kind).row as DatasetRow);
}

parentPort!.on("message", ({ id, lines }: Request) => {
  try {
    const measures = packMeasures(lines.map(measureLine));
    parentPort!.postMessage({ id, measures } satisfies Answer, [measures.figures.buffer]);
  } catch {
    // The same error comes up again in the main thread, with all that belongs to it.
    parentPort!.postMessage({ id } satisfies Answer);
  }
});
