import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { createClient } from "../../../sdk/client.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { waitForTask } from "../../../tasks/flows/waitForTask.ts";
import { createTerminal } from "../../../tasks/terminal/Terminal.ts";
import { viewTask } from "../../../tasks/terminal/taskView.ts";
import { type RpcFault, RpcProxy } from "../../faults/RpcProxy.ts";
import type { Random } from "../../faults/seededRandom.ts";
import { MarketFixture } from "../../helpers/MarketFixture.ts";

const FAULTS: readonly RpcFault[] = [
  "reset",
  "too many requests",
  "server error",
  "malformed",
  "empty chain",
];

describe("tasks: waiting for a task", () => {
  let market: MarketFixture;
  before(async () => {
    market = await MarketFixture.open({ openTasksPerUser: FAULTS.length });
  });
  after(() => market.close());

  for (const fault of FAULTS) {
    it(`survives a node whose answers are: ${fault}`, async () => {
      let isBad = false;
      const random: Random = {
        next: () => (isBad ? 0 : 1),
        integer: (from) => from,
        pick: (choices) => choices[0]!,
      };
      const { rpcUrl, deployment, accounts } = market.chain;
      const proxy = await RpcProxy.start(rpcUrl, fault, random);
      const { privateKey } = accounts[2]!;
      const storageUrl = "http://127.0.0.1:1";
      const client = createClient({ rpcUrl: proxy.url, deployment, storageUrl, privateKey });
      try {
        const id = await market.order();
        const first = await viewTask(client, await getTask(client, { id }));
        isBad = true;
        await send(market.provider, acceptTask(market.provider, { id }));
        const terminal = { ...createTerminal({ json: true }), note: () => {} };
        const options = { until: "SettingUp", timeout: 40_000 } as const;
        const { signal } = new AbortController();
        const seen = await waitForTask(client, first, { ...options, signal }, terminal);
        expect(seen.progress).to.equal("SettingUp");
        expect(proxy.strikes).to.be.greaterThan(0);
      } finally {
        client.provider.destroy();
        await proxy.close();
      }
    });
  }
});
