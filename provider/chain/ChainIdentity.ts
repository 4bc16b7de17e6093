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
  "Check RPC_ENDPOINT. A local network that was started again is another chain: give the daemon a new PROVIDER_DIR.";

/** Compares the chain behind the endpoint that is asked now with the one that the daemon works on. */
export class ChainIdentity {
  readonly #options: ChainIdentityOptions;

  constructor(options: ChainIdentityOptions) {
    this.#options = options;
  }

  /**
   * Nothing is sent, and nothing that is read counts, before this. A network that is started again keeps its number,
   * its address and often its contracts' addresses, so that only the first block tells.
   * @throws ProviderError when it is another chain, ProtocolError "network" when it cannot be asked.
   */
  async verify(): Promise<void> {
    const { client, genesis, readiness, log } = this.#options;
    const first = await readChain(client, () => client.provider.getBlock(0));
    if (first?.hash === genesis) {
      if (readiness.clear(REASON)) log.info("the chain is the right one again");
      return;
    }
    client.provider.switchEndpoint(); // where there is another one
    if (!first) throw unknownChainError();
    if (readiness.set({ name: REASON, message: MESSAGE, hint: HINT }))
      log.error(
        { expected: genesis, found: first.hash, hint: HINT },
        "another chain, nothing is sent",
      );
    throw new ProviderError(MESSAGE, { retryable: true, isReported: true, hint: HINT });
  }

  /** As `demand`, and the contracts are there. */
  async verifyContracts(): Promise<void> {
    await this.verify();
    await checkNetwork(this.#options.client);
  }
}

function unknownChainError(): ProviderError {
  return new ProviderError("The RPC endpoint has no block 0, so that its chain is not known.", {
    retryable: true,
    hint: "Name one in RPC_ENDPOINT that has kept the chain's first block.",
  });
}
