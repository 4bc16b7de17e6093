import type { Log, Provider, TopicFilter } from "ethers";
import { ProtocolError } from "../errors.ts";
import { MEANINGS } from "../rpc/nodeErrorKinds.ts";
import { readNodeError } from "../rpc/nodeErrors.ts";

/** Which events to search for. Both ends of the range are included. */
export interface LogSearch {
  readonly address: string;
  readonly topics?: TopicFilter | undefined;
  readonly fromBlock: number;
  readonly toBlock: number;
}

/** Successful searches in a row before the number of blocks per search grows. */
const ANSWERS_UNTIL_WIDER = 8;

/** The number of blocks per search that an endpoint allows, learned from its answers. */
class SearchWidth {
  blocks = Number.POSITIVE_INFINITY;
  #answered = 0;

  /** @param suggested the limit that the endpoint names */
  narrow(asked: number, suggested: number | undefined): void {
    this.#answered = 0;
    this.blocks =
      suggested !== undefined && suggested < asked ? suggested : Math.max(1, Math.floor(asked / 2));
  }

  /** The next blocks may have fewer events. */
  answered(asked: number): void {
    if (asked < this.blocks || ++this.#answered < ANSWERS_UNTIL_WIDER) return;
    this.#answered = 0;
    this.blocks *= 2;
  }
}

const widths = new WeakMap<Provider, SearchWidth>();

function widthOf(provider: Provider): SearchWidth {
  const width = widths.get(provider) ?? new SearchWidth();
  widths.set(provider, width);
  return width;
}

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
      width.narrow(asked, refusal.maxBlocks);
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
