import type { Logger } from "pino";
import type { Client } from "../../sdk/client.ts";
import { checkNetwork } from "../../sdk/transaction/checkNetwork.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import { ProviderError } from "../errors.ts";
import type { Readiness } from "../Readiness.ts";

export interface ChainIdentityOptions {
  readonly client: Client;
  /** Hash of block 0 of the chain that the state database belongs to. */
  readonly genesis: string;
  readonly readiness: Readiness;
  readonly log: Logger;
}

const REASON = "other-chain";
const MESSAGE = "The RPC endpoint serves another chain: its first block is not the same.";
const HINT =
  "Check RPC_ENDPOINT. A restarted local network is another chain: give the daemon a new PROVIDER_DIR.";

/** Compares the chain behind the current endpoint with the one that the state database belongs to. */
export class ChainIdentity {
  readonly #options: ChainIdentityOptions;

  constructor(options: ChainIdentityOptions) {
    this.#options = options;
  }

  /**
   * Must succeed before anything is sent, and before anything that was read counts. A restarted network keeps its chain
   * id, its URL and often its contracts' addresses, so only the first block identifies it.
   * @throws ProviderError if it is another chain, ProtocolError "network" if the endpoint does not respond.
   */
  async verify(): Promise<void> {
    const { client, genesis, readiness, log } = this.#options;
    const first = await readChain(client, () => client.provider.getBlock(0));
    if (first?.hash === genesis) {
      if (readiness.clear(REASON)) log.info("the endpoint serves the right chain again");
      return;
    }
    client.provider.switchEndpoint(); // if there is another one
    if (!first) throw unknownChainError();
    if (readiness.set({ name: REASON, message: MESSAGE, hint: HINT }))
      log.error(
        { expected: genesis, found: first.hash, hint: HINT },
        "the endpoint serves another chain: nothing is sent",
      );
    throw new ProviderError(MESSAGE, { retryable: true, isReported: true, hint: HINT });
  }

  /** Like `verify`, and checks that the contracts exist. */
  async verifyContracts(): Promise<void> {
    await this.verify();
    await checkNetwork(this.#options.client);
  }
}

function unknownChainError(): ProviderError {
  return new ProviderError("The RPC endpoint has no block 0, so its chain is unknown.", {
    retryable: true,
    hint: "Set RPC_ENDPOINT to one that still has the chain's first block.",
  });
}
