import type { Log, Provider, TopicFilter } from "ethers";
import { ProtocolError } from "../errors.ts";
import { MEANINGS } from "../rpc/nodeErrorKinds.ts";
import { type NodeError, readNodeError } from "../rpc/nodeErrors.ts";

/** Which events to search for. Both ends of the range are included. */
export interface LogSearch {
  readonly address: string;
  readonly topics?: TopicFilter | undefined;
  readonly fromBlock: number;
  readonly toBlock: number;
}

/** Blocks per search at first: few endpoints allow less. */
const FIRST_WIDTH = 1_000;
/** Blocks per search at most: few endpoints allow more. */
const MAX_WIDTH = 10_000;
/** Searches of the full width in a row that succeed before the width grows. */
const ANSWERS_UNTIL_WIDER = 4;
/** The same if the endpoint has refused so many blocks before: each attempt costs a request. */
const ANSWERS_UNTIL_RETRY = 64;

/** The number of blocks per search that an endpoint allows, learned from its answers. */
class SearchWidth {
  blocks = FIRST_WIDTH;
  /** The fewest blocks that were refused because they are too many. */
  #refused = Number.POSITIVE_INFINITY;
  #answered = 0;

  narrow(asked: number, { maxBlocks, tooManyResults }: NodeError): void {
    this.#answered = 0;
    const isNamed = maxBlocks !== undefined && maxBlocks < asked;
    this.blocks = isNamed ? maxBlocks : narrower(asked);
    this.#refused = tooManyResults ? Number.POSITIVE_INFINITY : isNamed ? maxBlocks + 1 : asked;
  }

  /** The next blocks may have fewer events, and the endpoint may be another one. */
  answered(asked: number): void {
    if (asked < this.blocks || this.blocks >= MAX_WIDTH) return;
    const next = wider(this.blocks);
    const needed = next < this.#refused ? ANSWERS_UNTIL_WIDER : ANSWERS_UNTIL_RETRY;
    if (++this.#answered < needed) return;
    this.#answered = 0;
    this.#refused = Number.POSITIVE_INFINITY;
    this.blocks = Math.min(MAX_WIDTH, next);
  }
}

/** The next of 1, 2, 5, 10, 20, 50, …, among which most limits are. */
function wider(blocks: number): number {
  const power = 10 ** Math.floor(Math.log10(blocks));
  return [2, 5, 10].map((digit) => digit * power).find((step) => step > blocks)!;
}

function narrower(blocks: number): number {
  const power = 10 ** Math.floor(Math.log10(blocks));
  return [5, 2, 1, 0.5].map((digit) => digit * power).find((step) => step < blocks)!;
}

const widths = new WeakMap<Provider, SearchWidth>();

function widthOf(provider: Provider): SearchWidth {
  const width = widths.get(provider) ?? new SearchWidth();
  widths.set(provider, width);
  return width;
}

/** The number of blocks that one request for events covers at the moment. */
export const searchWidth = (provider: Provider): number => widthOf(provider).blocks;

/**
 * Finds events, oldest first. A range that the endpoint refuses because it has too many blocks or events is searched in
 * smaller parts.
 * @throws ProtocolError "network" if a single block has more events than the endpoint returns; otherwise the node's
 * error
 */
export async function searchLogs(provider: Provider, search: LogSearch): Promise<Log[]> {
  const width = widthOf(provider);
  const parts: Log[][] = [];
  for (let from = search.fromBlock; from <= search.toBlock; ) {
    const to = Math.min(search.toBlock, from + width.blocks - 1);
    const asked = to - from + 1;
    try {
      parts.push(await provider.getLogs({ ...filterOf(search), fromBlock: from, toBlock: to }));
    } catch (error) {
      const refusal = readNodeError(error);
      if (refusal?.kind !== "range-too-large") throw error;
      if (asked === 1) throw blockTooFullError(from, error);
      width.narrow(asked, refusal);
      continue;
    }
    width.answered(asked);
    from = to + 1;
  }
  return parts.flat();
}

const filterOf = ({ address, topics }: LogSearch) => ({ address, ...(topics && { topics }) });

function blockTooFullError(block: number, cause: unknown): ProtocolError {
  const { code, hint, next } = MEANINGS["range-too-large"];
  return new ProtocolError(
    code,
    `Block ${block} alone has more events than the chain's node returns in one answer.`,
    hint,
    { cause, next },
  );
}
