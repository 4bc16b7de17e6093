import { attempt } from "./attempt.ts";
import { type FaultFixture, USERS } from "./FaultFixture.ts";
import { TAMPERING } from "./malice.ts";
import type { Programme, RunResult } from "./Programme.ts";
import { runUsers } from "./runUsers.ts";
import { SimulatedUser } from "./SimulatedUser.ts";

const ROUNDS = 20;
/** Number of bogus orders in one run. */
const ORDERS = 35;
const SHORT_ORDERS = 14;
/** Transactions of the provider for a task whose user confirms: accept, deliver, reveal. */
const FOR_HONEST = 3;

/** Orders that no provider can serve, many at once, beside one honest task: the provider pays no gas for them. */
export const bogus: Programme = async function* (market, { short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    const name = `bogus/${round}`;
    if (takes(name)) yield await flood(market, name, short ? SHORT_ORDERS : ORDERS);
  }
};

function flood(market: FaultFixture, name: string, orders: number): Promise<RunResult> {
  return attempt(market, name, async ({ directory, state }) => {
    const sentBefore = await sentByProvider(market);
    const kinds = Object.values(TAMPERING);
    const honest = new SimulatedUser(market, directory, USERS, "confirm");
    const cheaters = Array.from({ length: orders }, (_, number) => {
      const user = new SimulatedUser(market, directory, 2 + (number % (USERS - 2)), "refuse");
      user.isTampered = true;
      user.tamper = kinds[number % kinds.length]!;
      return user;
    });
    const users = [...cheaters, honest];
    await runUsers({ market, options: { directory: state }, users });
    const sent = (await sentByProvider(market)) - sentBefore;
    if (sent !== FOR_HONEST)
      throw new Error(`the provider sent ${sent} transactions instead of ${FOR_HONEST}`);
    return { users, strikes: orders };
  });
}

function sentByProvider({ chain, service }: FaultFixture): Promise<number> {
  return chain.rpc.getTransactionCount(service.provider);
}
