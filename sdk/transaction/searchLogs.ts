import type { Log, Provider, TopicFilter } from "ethers";
import { ProtocolError } from "../errors.ts";
import { readNodeError } from "../rpc/nodeErrors.ts";
import { MEANINGS } from "../rpc/nodeWords.ts";

/** Which events to search for. Both ends of the range are included. */
export interface LogSearch {
  readonly address: string;
  readonly topics?: TopicFilter | undefined;
  readonly fromBlock: number;
  readonly toBlock: number;
}

/** Searches in a row that an endpoint must answer before more blocks are asked for at a time. */
const ANSWERS_UNTIL_WIDER = 8;

/** How many blocks an endpoint searches at a time, as its answers show. */
class SearchWidth {
  blocks = Number.POSITIVE_INFINITY;
  #answered = 0;

  /** @param told what the endpoint says it would search */
  narrow(asked: number, told: number | undefined): void {
    this.#answered = 0;
    this.blocks = told !== undefined && told < asked ? told : Math.max(1, Math.floor(asked / 2));
  }

  /** Where many events were, few may follow. */
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
 * Finds events, oldest first. A range that the endpoint refuses as too large, or as too full of events, is searched in
 * smaller parts.
 * @throws ProtocolError "network" if a single block has more events than the endpoint gives; what the node throws else
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
      if (asked === 1) throw tooFull(from, error);
      width.narrow(asked, refusal.maxBlocks);
      continue;
    }
    width.answered(asked);
    from = to + 1;
  }
  return parts.flat();
}

const filterOf = ({ address, topics }: LogSearch) => ({ address, ...(topics && { topics }) });

function tooFull(block: number, cause: unknown): ProtocolError {
  const { code, hint, next } = MEANINGS["range-too-large"];
  return new ProtocolError(
    code,
    `Block ${block} alone has more events than the chain's node gives in one answer.`,
    hint,
    { cause, next },
  );
}
