import { hexlify, isCallException, ZeroHash } from "ethers";
import {
  acknowledge,
  deliver,
  proveMisbehaviour,
  reveal,
} from "../../../../sdk/deliverable/calls.ts";
import { blindRoot } from "../../../../sdk/exchange/blind.ts";
import type { MisbehaviourProof } from "../../../../sdk/exchange/misbehaviourProof.ts";
import { type ExchangeKeys, keyCommit } from "../../../../sdk/exchange/segmentKey.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { updateService } from "../../../../sdk/service/calls.ts";
import { getService } from "../../../../sdk/service/getService.ts";
import { acceptTask, createTask } from "../../../../sdk/task/calls.ts";
import type { Delivery } from "../../../../sdk/task/Delivery.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import type { Call } from "../../../../sdk/transaction/Call.ts";
import type { Commitment, Verdict } from "../../../helpers/checkMisbehaviour.ts";
import { DATASET_ROOT, MarketFixture, MODEL } from "../../../helpers/MarketFixture.ts";

/** u of all tasks here: computing a tree of blinds for each would take most of the time, and adds nothing. */
const U = new Uint8Array(32).fill(5);
const S = new Uint8Array(32).fill(9);

/** A market whose deliverables are only disputed. */
export interface Court {
  readonly market: MarketFixture;
  /** Orders a task and lets the provider accept it. @returns the keys of its exchange. */
  accept(): Promise<ExchangeKeys>;
  /** Runs a task from the delivery to the revealed key. */
  reveal(delivery: Pick<Delivery, "id" | "size" | "root" | "contentRoot">): Promise<Commitment>;
  /** The contract's answer to a proof. */
  judge(id: TaskId, proof: MisbehaviourProof): Promise<Verdict>;
  /** Sends a proof. @returns the gas used. */
  prove(id: TaskId, proof: MisbehaviourProof): Promise<bigint>;
  close(): Promise<void>;
}

const UNITS = 999n;
const PRICE = 1_001n;
const VERDICTS: Record<string, Verdict> = {
  ServingNoMisbehaviour: "match",
  ServingInvalidProof: "invalid",
};

export async function openCourt(): Promise<Court> {
  const market = await MarketFixture.open({
    openTasksPerUser: 65_535,
    pricePerUnit: PRICE,
    parameters: { disputePeriod: 86_400n }, // a slow machine must not miss the deadline
  });
  const { user, provider } = market;
  const order = {
    provider: provider.address,
    units: UNITS, // an odd bond, so that halving it must round
    maxFee: 10n ** 12n,
    modelHash: MODEL.hash,
    datasetRoot: DATASET_ROOT,
    validationRoot: null,
    blindRoot: hexlify(blindRoot(U)),
    userKey: market.terms.encryptionKey,
    config: {},
  };
  const { offer } = await getService(user, { provider: provider.address });
  let nonce = 0n;

  /** Signed by the node, which knows these accounts: one request and no waiting. */
  const act = (from: string, { to, data }: Call): Promise<string> =>
    user.provider.send("eth_sendTransaction", [{ from, to, data, gas: "0xf42400" }]);

  return {
    market,
    async accept() {
      const id = (await user.serving.taskIdOf(user.address, provider.address, nonce)) as TaskId;
      await act(
        user.address,
        createTask(user, { order: { ...order, nonce, offer, validUntil: 2 ** 40 - 1 } }),
      );
      await act(provider.address, acceptTask(provider, { id }));
      nonce++;
      return { taskId: id, u: U, s: S };
    },
    async reveal({ id, size, root, contentRoot }) {
      const commit = hexlify(keyCommit(S));
      const commitments = { root, contentRoot, keyCommit: commit, receiptRoot: ZeroHash };
      const delivery = { id, size, fee: UNITS * PRICE, ...commitments };
      await act(provider.address, deliver(provider, { delivery }));
      await act(user.address, acknowledge(user, { id, root }));
      const opened = { id, key: hexlify(S), blindRoot: order.blindRoot, contentRoot };
      await act(provider.address, reveal(provider, opened));
      const { exchange } = await getTask(user, { id });
      return { id, size, root, exchange };
    },
    async judge(id, proof) {
      const { to, data } = proveMisbehaviour(user, { id, proof });
      try {
        await user.provider.call({ from: user.address, to, data });
        return "mismatch";
      } catch (error) {
        const name = isCallException(error)
          ? user.serving.interface.parseError(error.data ?? "0x")?.name
          : undefined;
        const verdict = VERDICTS[name ?? ""];
        if (verdict) return verdict;
        throw error;
      }
    },
    async prove(id, proof) {
      const hash = await act(user.address, proveMisbehaviour(user, { id, proof }));
      const receipt = await user.provider.getTransactionReceipt(hash);
      // A slashed provider accepts nothing until it has updated its terms.
      await act(provider.address, updateService(provider, { terms: market.terms }));
      return receipt!.gasUsed;
    },
    close: () => market.close(),
  };
}
