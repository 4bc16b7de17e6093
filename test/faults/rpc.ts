import { attempt } from "./attempt.ts";
import type { Programme } from "./Programme.ts";
import { RPC_FAULTS, RpcProxy } from "./RpcProxy.ts";
import { runUsers } from "./runUsers.ts";
import { ENDINGS, SimulatedUser } from "./SimulatedUser.ts";
import { seededRandom } from "./seededRandom.ts";

/** Runs per fault. */
const ROUNDS = 42;

/**
 * The daemon uses an endpoint that fails, lags and returns false answers, half of the time with a second, healthy one;
 * the users see the chain itself.
 */
export const rpc: Programme = async function* (market, { seed, short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    for (const [index, fault] of RPC_FAULTS.entries()) {
      const name = `rpc/${fault}/${round}`;
      if (!takes(name)) continue;
      const random = seededRandom(seed + round * RPC_FAULTS.length + index);
      yield await attempt(market, name, async ({ directory, state }) => {
        const proxy = await RpcProxy.start(market.chain.rpcUrl, fault, random);
        const user = new SimulatedUser(market, directory, 2, random.pick(ENDINGS));
        const confirmations = random.pick([0, 1, 3]);
        const rpcUrl = random.pick([proxy.url, `${proxy.url},${market.chain.rpcUrl}`]);
        try {
          const options = { directory: state, rpcUrl, confirmations };
          await runUsers({ market, options, users: [user] });
        } finally {
          await proxy.close();
        }
        return { users: [user], strikes: proxy.strikes };
      });
    }
  }
};
