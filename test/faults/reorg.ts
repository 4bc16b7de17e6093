import type { ReorgTransaction } from "./Anvil.ts";
import { attempt } from "./attempt.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import type { Programme } from "./Programme.ts";
import { runUsers } from "./runUsers.ts";
import { type Ending, SimulatedUser } from "./SimulatedUser.ts";
import { type Random, seededRandom } from "./seededRandom.ts";

/** A state in which the chain is reorganized, and a task that passes it. */
const MOMENTS: readonly (readonly [state: SimulatedUser["state"], ending: Ending])[] = [
  ["Created", "confirm"],
  ["Accepted", "confirm"],
  ["Delivered", "confirm"],
  ["Acknowledged", "confirm"],
  ["Revealed", "confirm"],
  ["Revealed", "finalize"],
  ["Settled", "confirm"],
  ["Settled", "finalize"],
  ["Lapsed", "lapse"],
  ["Lapsed", "late"],
  ["Cancelled", "refuse"],
];
const DEEPEST = 64;
const ROUNDS = 20;

/** The chain replaces its newest blocks at every state of a task, to every depth; transactions move or vanish. */
export const reorg: Programme = async function* (market, { seed, short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    for (const [index, [state, ending]] of MOMENTS.entries()) {
      const name = `reorg/${state}-${ending}/${round}`;
      const number = round * MOMENTS.length + index;
      if (!takes(name)) continue;
      const random = seededRandom(seed + number);
      const depth = 1 + (number % DEEPEST);
      yield await attempt(
        market,
        name,
        async (folders) => {
          const user = new SimulatedUser(market, folders.directory, 2, ending);
          const confirmations = random.pick([0, 1, 3]);
          let strikes = 0;
          const meddle = async () => {
            if (strikes > 0 || user.state !== state) return false;
            await market.chain.reorg(depth, (raws) => survivors(raws, depth, random));
            market.isReorganized = true;
            strikes++;
            return true;
          };
          const options = { directory: folders.state, confirmations };
          await runUsers({ market, options, users: [user], meddle });
          return { users: [user], strikes };
        },
        goOn,
      );
    }
  }
};

const goOn = (market: FaultFixture) => market.goOn();

/** The transactions that are also in the new chain: the older ones, each in the same block or a later one. */
function survivors(raws: readonly string[], depth: number, random: Random): ReorgTransaction[] {
  const kept = raws.slice(0, random.integer(0, raws.length));
  let block = 0;
  return kept.map((raw) => {
    block = Math.min(depth - 1, block + random.integer(0, 2));
    return [raw, block];
  });
}
