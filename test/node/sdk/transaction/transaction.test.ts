import { type AddressInfo, createServer } from "node:net";
import { expect } from "chai";
import { after, before, beforeEach, describe, it } from "mocha";
import { deposit } from "../../../../sdk/account/calls.ts";
import { getAccount } from "../../../../sdk/account/getAccount.ts";
import { type Client, createClient } from "../../../../sdk/client.ts";
import { getService } from "../../../../sdk/service/getService.ts";
import { listServices } from "../../../../sdk/service/listServices.ts";
import { acceptTask, cancelTask } from "../../../../sdk/task/calls.ts";
import { blockLogs } from "../../../../sdk/transaction/blockLogs.ts";
import { checkNetwork } from "../../../../sdk/transaction/checkNetwork.ts";
import { decodeRevert } from "../../../../sdk/transaction/decodeRevert.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { startFakeProviderApi } from "../../../helpers/fakeProviderApi.ts";
import { MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const OG = 10n ** 18n;

describe("sdk/transaction", () => {
  let market: MarketFixture;
  let fresh: string;
  before(async () => {
    market = await MarketFixture.open();
    fresh = await market.chain.snapshot();
  });
  beforeEach(async () => {
    await market.chain.revert(fresh);
    fresh = await market.chain.snapshot();
  });
  after(() => market.close());

  /** The same client, on another endpoint. */
  const at = (rpcUrl: string, deployment = market.chain.deployment): Client =>
    createClient({
      rpcUrl,
      deployment,
      storageUrl: "http://127.0.0.1:1",
      privateKey: market.chain.accounts[2]!.privateKey,
      pollingInterval: 10,
    });

  it("sends with the requested gas price", async () => {
    const { user } = market;
    const gasPrice = 5_000_000_000n;
    const receipt = await send(user, deposit(user, { amount: 1n }), { gasPrice });
    expect(receipt.gasPrice).to.equal(gasPrice);
    const amount = { amount: 1n };
    const free = await send(user, deposit(user, amount));
    expect(free.status).to.equal(1);
  });

  it("needs a key to send", async () => {
    const { reader } = market;
    const error = await rejection(send(reader, deposit(reader, { amount: 1n })));
    expect(error.code).to.equal("usage");
    expect(error.exitCode).to.equal(2);
    expect(error.message).to.equal("This needs a private key, but none is set.");
    expect(error.next).to.deep.equal({ setting: "privateKey" });
  });

  it("reports that the wallet cannot pay", async () => {
    const { user } = market;
    const error = await rejection(send(user, deposit(user, { amount: 20_000n * OG })));
    expect(error.code).to.equal("insufficient-funds");
    expect(error.message).to.contain("OG, too little for");
  });

  it("explains a call that passed estimation and failed in its block", async () => {
    const { user, provider } = market;
    const id = await market.order();
    await user.provider.send("evm_setAutomine", [false]);
    try {
      const sent = rejection(send(user, cancelTask(user, { id }), { gasPrice: 2_000_000_000n }));
      await Promise.race([sent, waitForPending(user, 1)]);
      // with a higher fee, the acceptance comes first in the block
      const { to, data } = acceptTask(provider, { id });
      const race = { to, data, gasLimit: 500_000n, gasPrice: 100_000_000_000n };
      await provider.signer!.sendTransaction(race);
      await market.chain.mine();
      const error = await sent;
      expect(error.code).to.equal("reverted");
      expect(error.message).to.contain("is Accepted, which does not allow this");
    } finally {
      await user.provider.send("evm_setAutomine", [true]);
    }
  });

  async function waitForPending(client: Client, count: number): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const pending = await client.provider.send("eth_pendingTransactions", []);
      if (pending.length >= count) return;
    }
    throw new Error(`There are not ${count} transactions in the pool.`);
  }

  it("reports quickly that the node is down, and where: reading, sending and estimating", async () => {
    const client = at("http://127.0.0.1:9");
    const start = performance.now();
    const works = [
      () => getAccount(client, { account: market.user.address }),
      () => getService(client, { provider: market.provider.address }),
      () => send(client, deposit(client, { amount: 1n })),
      () => blockLogs(client, 0, []),
      () => checkNetwork(client),
    ];
    for (const work of works) {
      const error = await rejection(work);
      expect(error.code).to.equal("network");
      expect(error.message).to.equal("The chain's node at http://127.0.0.1:9 does not answer.");
      expect(error.next).to.deep.equal({ setting: "rpcUrl" });
    }
    expect(performance.now() - start).to.be.lessThan(2_000);
  });

  it("keeps keys in an endpoint's URL out of the message", async () => {
    const client = at("http://127.0.0.1:9/v3/secret-project-key");
    const error = await rejection(checkNetwork(client));
    expect(error.message).not.to.contain("secret");
  });

  it("treats a node that disconnects or answers nonsense as unavailable", async () => {
    const hangsUp = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => hangsUp.listen(0, "127.0.0.1", resolve));
    const { port } = hangsUp.address() as AddressInfo;
    const error = await rejection(checkNetwork(at(`http://127.0.0.1:${port}`)));
    expect(error.code).to.equal("network");
    hangsUp.close();

    const broken = await startFakeProviderApi({
      "/": (_request, response) => {
        response.statusCode = 502;
        return "bad gateway";
      },
    });
    expect((await rejection(checkNetwork(at(broken.url)))).code).to.equal("network");
    await broken.close();
  });

  it("distinguishes a chain that is not the deployment's from one without the contracts", async () => {
    const { deployment, rpcUrl } = market.chain;
    await checkNetwork(market.reader);
    const wrong = await rejection(checkNetwork(at(rpcUrl, { ...deployment, chainId: 16602 })));
    expect(wrong.code).to.equal("network");
    expect(wrong.message).to.contain("serves chain 31337, but the contracts are on chain 16602");
    const empty = { ...deployment.serving, address: market.stranger.address };
    const client = at(rpcUrl, { ...deployment, serving: empty });
    for (const read of [checkNetwork, listServices]) {
      const error = await rejection(read(client));
      expect(error.code).to.equal("not-found");
      expect(error.next).to.deep.equal({ setting: "deployment" });
    }
  });

  it("finds the revert wherever a node puts it", () => {
    const { user } = market;
    const { provider } = market;
    const data = user.serving.interface.encodeErrorResult("ServingUnknownService", [
      provider.address,
    ]);
    const shapes = [
      { data },
      { code: "CALL_EXCEPTION", data: null, info: { error: { code: 3, data } } },
      { error: { code: -32603, data: { message: "reverted", data } } },
      { code: "UNKNOWN_ERROR", error: { error: { data: { originalError: {}, data } } } },
      { cause: { error: { data } } },
    ];
    for (const shape of shapes) {
      const error = decodeRevert(user, Object.assign(new Error("x"), shape));
      expect(error.code, JSON.stringify(shape)).to.equal("not-found");
      expect(error.message).to.equal(`${provider.address} is not a registered provider.`);
    }
  });

  it("does not mistake the call's own data for a revert", () => {
    const { user } = market;
    const data = user.serving.interface.encodeErrorResult("ServingInvalidPublicKey");
    const error = decodeRevert(user, Object.assign(new Error("odd"), { transaction: { data } }));
    expect(error.code).to.equal("unexpected");
    expect(error.message).to.equal("odd");
    expect(error.next).to.deep.equal({ inspect: "cause" });
  });

  it("has a message or at least a name for every error of the contracts", () => {
    const { user } = market;
    const seen = new Set<string>();
    for (const contract of [user.serving, user.ledger]) {
      contract.interface.forEachError((fragment) => {
        const args = fragment.inputs.map(({ type }) => EXAMPLES[type] ?? 1);
        const data = contract.interface.encodeErrorResult(fragment as never, args as never);
        const error = decodeRevert(user, { data });
        seen.add(fragment.name);
        expect(error.code, fragment.name).not.to.equal("unexpected");
        expect(error.message, fragment.name).to.match(/^.+\.$/s);
        expect(error.hint, fragment.name).to.match(/.+/);
        expect(`${error.message} ${error.hint}`, fragment.name).not.to.match(
          /undefined|NaN|object/,
        );
      });
    }
    expect(seen.size).to.be.greaterThan(30);
  });
});

const EXAMPLES: Record<string, unknown> = {
  address: `0x${"77".repeat(20)}`,
  bytes16: `0x${"ab".repeat(16)}`,
  bytes32: `0x${"cd".repeat(32)}`,
  bytes: "0x01",
  string: "pricePerUnit",
};
