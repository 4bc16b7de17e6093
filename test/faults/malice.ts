import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { getBytes, hexlify, toUtf8Bytes, ZeroHash } from "ethers";
import { getAccount } from "../../sdk/account/getAccount.ts";
import {
  acknowledge,
  deliver,
  expire,
  proveMisbehaviour,
  reveal,
} from "../../sdk/deliverable/calls.ts";
import { findMisbehaviour } from "../../sdk/deliverable/findMisbehaviour.ts";
import { openDeliverable } from "../../sdk/deliverable/openDeliverable.ts";
import { sharedBlind } from "../../sdk/exchange/blind.ts";
import { PageMismatchError } from "../../sdk/exchange/PageMismatchError.ts";
import { sealFile } from "../../sdk/exchange/seal.ts";
import { keyCommit } from "../../sdk/exchange/segmentKey.ts";
import type { Root } from "../../sdk/ids.ts";
import { acceptTask } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../sdk/task/getTaskOrder.ts";
import type { TaskState } from "../../sdk/taskStates.ts";
import { send } from "../../sdk/transaction/send.ts";
import { spoilPage } from "../helpers/spoilPage.ts";
import { attempt } from "./attempt.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import type { Programme, RunResult } from "./Programme.ts";
import { runUsers } from "./runUsers.ts";
import { ENDINGS, SimulatedUser, type Tamper } from "./SimulatedUser.ts";

const SOME_HASH = `0x${"5a".repeat(32)}`;
const ROUNDS = 4;

/** What a user may write into an order, with any intention. Each is refused, and costs nobody anything. */
export const TAMPERING: Record<string, Tamper> = {
  "a blinding other than agreed": (order) => ({ ...order, blindRoot: SOME_HASH }),
  "a key that is not a curve point": (order) => ({ ...order, userKey: `0x02${"ff".repeat(32)}` }),
  "a dataset that does not exist": (order) => ({ ...order, datasetRoot: SOME_HASH as Root }),
  "a config that is not JSON": (order) => ({ ...order, config: toUtf8Bytes("{") }),
  "a config with a path": (order) => ({ ...order, config: toUtf8Bytes('{"output_dir":"/etc"}') }),
  "a dataset larger than declared": (order) => ({ ...order, units: 1n }),
  "an unknown model": (order) => ({ ...order, model: SOME_HASH }),
};

/** Users and providers that break the rules, each beside an honest task of somebody else. */
export const malice: Programme = async function* (market, { short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    for (const [index, [what, tamper]] of Object.entries(TAMPERING).entries()) {
      const name = `malice/${what}/${round}`;
      if (takes(name)) yield await cheat(market, name, tamper, index + round);
    }
    for (const [what, act] of Object.entries(PROVIDERS)) {
      const name = `malice/${what}/${round}`;
      if (takes(name)) yield await attempt(market, name, async () => act(market));
    }
  }
};

function cheat(
  market: FaultFixture,
  name: string,
  tamper: Tamper,
  number: number,
): Promise<RunResult> {
  return attempt(market, name, async ({ directory, state }) => {
    const cheater = new SimulatedUser(market, directory, 2, "refuse");
    cheater.isTampered = true;
    cheater.tamper = tamper;
    const honest = new SimulatedUser(market, directory, 3, ENDINGS[number % 4]!);
    const users = [cheater, honest];
    honest.neighbours = [cheater];
    await runUsers({ market, options: { directory: state }, users });
    return { users, strikes: 1 };
  });
}

/**
 * Providers that accept an order and do not do their part. The user gets the fee back and the promised share of the
 * bond.
 */
const PROVIDERS = {
  "never delivers": async (market: FaultFixture) => {
    const { simulatedUser, bond, user, before } = await takeOrder(market);
    await market.chain.increaseTime(BigInt(market.service.maxTrainingTime) + 10n);
    await send(user, expire(user, { id: simulatedUser.id }));
    return compensated(market, simulatedUser, before, bond / 4n);
  },
  "never reveals": async (market: FaultFixture) => {
    const { simulatedUser, bond, user, before } = await takeOrder(market);
    const provider = market.client(1);
    const root = SOME_HASH as Root;
    const delivery = {
      id: simulatedUser.id,
      size: 1,
      fee: 0n, // does not save its bond
      root,
      contentRoot: SOME_HASH,
      keyCommit: SOME_HASH,
      receiptRoot: ZeroHash,
    };
    await send(provider, deliver(provider, { delivery }));
    await send(user, acknowledge(user, { id: simulatedUser.id, root }));
    await market.chain.increaseTime(market.chain.parameters.revealPeriod + 10n);
    await send(user, expire(user, { id: simulatedUser.id }));
    return compensated(market, simulatedUser, before, (bond + 1n) / 2n, {
      state: "Expired",
      lost: bond,
    });
  },
  "delivers garbage": async (market: FaultFixture) => {
    const { simulatedUser, bond, user, before } = await takeOrder(market);
    const { id } = simulatedUser;
    const encryptedPath = await deliverGarbage(market, simulatedUser);
    const task = await getTask(user, { id });
    const outputPath = `${encryptedPath}.zip`;
    const found = await openDeliverable(user, { task, encryptedPath, outputPath }).then(
      () => null,
      (error) => error,
    );
    if (!(found instanceof PageMismatchError)) throw new Error(`garbage was opened: ${found}`);
    const proof = await findMisbehaviour(user, { task, encryptedPath, page: found.page });
    await send(user, proveMisbehaviour(user, { id, proof }));
    return compensated(market, simulatedUser, before, (bond + 1n) / 2n, {
      state: "Slashed",
      lost: bond,
    });
  },
};

/** The provider's whole work, with one bit of one page changed after the commitment. */
async function deliverGarbage(market: FaultFixture, { id, user }: SimulatedUser): Promise<string> {
  const provider = market.client(1);
  const plainPath = join(market.folder, "garbage");
  const encryptedPath = join(market.folder, "garbage.sealed");
  writeFileSync(plainPath, Buffer.alloc(300_000, 7));
  const task = await getTask(user, { id });
  const { userKey, blindRoot } = await getTaskOrder(user, task);
  const { fee } = task;
  const u = sharedBlind(market.encryptionKey.secret, getBytes(userKey));
  const s = getBytes(SOME_HASH);
  const { size, contentRoot } = await sealFile(plainPath, encryptedPath, { taskId: id, u, s });
  const root = await spoilPage(encryptedPath, 70);
  const delivery = {
    ...{ id, size, fee, root, contentRoot, receiptRoot: ZeroHash },
    keyCommit: hexlify(keyCommit(s)),
  };
  await send(provider, deliver(provider, { delivery }));
  await send(user, acknowledge(user, { id, root }));
  await send(provider, reveal(provider, { ...delivery, blindRoot, key: SOME_HASH }));
  return encryptedPath;
}

async function takeOrder(market: FaultFixture) {
  const simulatedUser = new SimulatedUser(market, market.folder, 2, "confirm");
  const { user } = simulatedUser;
  await simulatedUser.place();
  const { fee, bondBps, user: account } = await getTask(user, { id: simulatedUser.id });
  const before = (await getAccount(user, { account })).total;
  const provider = market.client(1);
  await send(provider, acceptTask(provider, { id: simulatedUser.id }));
  return { simulatedUser, user, before, bond: (fee * BigInt(bondBps)) / 10_000n };
}

/** Checks that the user has the fee and `share` of the bond, and the provider the rest. */
async function compensated(
  market: FaultFixture,
  { user, id }: SimulatedUser,
  before: bigint,
  share: bigint,
  expected: { state: TaskState; lost: bigint } = { state: "Expired", lost: share },
) {
  const { user: account, state } = await getTask(user, { id });
  const after = (await getAccount(user, { account })).total;
  if (state !== expected.state || after - before !== share)
    throw new Error(`the user got ${after - before} instead of ${share} in state ${state}`);
  const { provider } = market.service;
  const { total } = await getAccount(user, { account: provider });
  if (market.totals.get(provider)! - total !== expected.lost)
    throw new Error("the bond is not what was lost");
  return { users: [], strikes: 1 };
}
