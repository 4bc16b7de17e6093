import { expect } from "chai";
import { describe, it } from "mocha";
import type { Submission } from "../../../../provider/chain/Submitter.ts";
import { deliver } from "../../../../provider/steps/deliver.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import type { Facts, JobRecord } from "../../../../provider/store/Store.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import type { Delivery } from "../../../../sdk/task/Delivery.ts";
import { RATES } from "../../../helpers/MarketFixture.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const HASH = `0x${"ab".repeat(32)}`;
const PRICE = 7n;

describe("delivering", () => {
  const config = { n_epochs: 10, n_evals: 10, early_stopping_patience: 2 };

  /** The fee at delivery of an order for 10 epochs on 1,000 bytes, 11 evaluations of 100 bytes. */
  async function feeFor(facts: Facts, units = 10_367n): Promise<bigint> {
    const sent: { fee: bigint }[] = [];
    const context = {
      client: {
        serving: {
          interface: {
            encodeFunctionData: (_: string, [delivery]: [Delivery]) => {
              sent.push(delivery);
              return "0x";
            },
          },
        },
      },
      encryptionKeys: { open: () => new Uint8Array(32) },
      store: { deliverableKey: () => ({ archive: HASH, key: new Uint8Array(32) }) },
      submitter: { submit: async (_: Submission) => undefined },
    } as unknown as StepContext;
    const record = {
      id: ID,
      fee: units * PRICE,
      order: { units, config },
      facts: {
        ...{ size: 1, root: HASH, contentRoot: HASH, receiptRoot: HASH },
        ...{ sizes: { train: 1_000, validation: 100 }, rates: RATES, minimumUnits: 500 },
        ...facts,
      },
    } as unknown as JobRecord;
    await deliver(context, record, new AbortController().signal, 0);
    return sent[0]!.fee;
  }

  it("charges an order whose work was all done its fee", async () => {
    expect(await feeFor({})).to.equal(10_367n * PRICE);
    expect(await feeFor({ done: { steps: 40, totalSteps: 40 } })).to.equal(10_367n * PRICE);
  });

  it("charges a training that stopped early for the work that was done", async () => {
    // 1,000 × 5 + 100 × 7 × 0.3333
    expect(await feeFor({ done: { steps: 20, totalSteps: 40 } })).to.equal(5_234n * PRICE);
  });

  it("charges what the datasets were counted to need, and not what was declared beyond", async () => {
    expect(await feeFor({}, 20_000n)).to.equal(10_367n * PRICE);
  });

  it("never charges more than the order's fee, nor less than the minimum", async () => {
    expect(await feeFor({ sizes: { train: 5_000, validation: 0 } })).to.equal(10_367n * PRICE);
    expect(await feeFor({ sizes: { train: 1, validation: 0 } })).to.equal(500n * PRICE);
  });
});
