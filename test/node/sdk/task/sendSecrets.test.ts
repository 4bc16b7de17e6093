import { buffer } from "node:stream/consumers";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import { hexlify, Wallet } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { createClient } from "../../../../sdk/client.ts";
import { openSecrets } from "../../../../sdk/exchange/openSecrets.ts";
import { formatTaskId, type TaskId } from "../../../../sdk/ids.ts";
import { verifyRequest } from "../../../../sdk/service/signedRequest.ts";
import { sendSecrets } from "../../../../sdk/task/sendSecrets.ts";
import { type FakeProviderApi, startFakeProviderApi } from "../../../helpers/fakeProviderApi.ts";
import { rejection } from "../../../helpers/rejection.ts";

const ID = `0x${"ab".repeat(16)}` as TaskId;
const PATH = `/v1/tasks/${formatTaskId(ID)}/secrets`;
const SERVING = `0x${"55".repeat(20)}`;
const wallet = new Wallet(`0x${"44".repeat(32)}`);
const secret = new Uint8Array(32).fill(7);
const secrets = { wandbApiKey: "a".repeat(40) };

describe("sendSecrets", () => {
  const client = createClient({
    rpcUrl: "http://127.0.0.1:1",
    deployment: {
      chainId: 31337,
      ledger: { address: SERVING, abi: [] },
      serving: { address: SERVING, abi: [] },
      blockNumber: 0,
    },
    storageUrl: "http://127.0.0.1:1",
    privateKey: wallet.privateKey,
  });
  let api: FakeProviderApi;
  let bodies: Buffer[];
  let unknownFor: number;

  before(async () => {
    api = await startFakeProviderApi();
    api.routes[PATH] = async (request, response) => {
      const body = await buffer(request);
      const { user } = verifyRequest({
        chainId: 31337,
        serving: SERVING,
        method: request.method!,
        path: PATH,
        body,
        header: request.headers.authorization,
        now: new Date(),
      });
      expect(user).to.equal(wallet.address);
      bodies.push(body);
      if (unknownFor-- > 0) {
        response.writeHead(404);
        return { code: "not-found", message: "What task?", hint: "Wait." };
      }
      return { stored: true };
    };
  });
  beforeEach(() => {
    bodies = [];
    unknownFor = 0;
  });
  after(() => api.close());

  const send = (timeout?: number) =>
    sendSecrets(client, {
      service: {
        provider: SERVING,
        url: api.url,
        encryptionKey: hexlify(secp256k1.getPublicKey(secret, true)),
      },
      id: ID,
      secrets,
      ...(timeout !== undefined && { timeout }),
    });

  it("sends them signed, readable by the provider only", async () => {
    await send();
    expect(bodies.length).to.equal(1);
    expect(openSecrets({ secret, id: ID, sealed: bodies[0]! })).to.deep.equal(secrets);
    expect(bodies[0]!.includes(secrets.wandbApiKey)).to.equal(false);
  });

  it("waits for a provider that has not seen the task yet", async () => {
    unknownFor = 2;
    await send(1_000);
    expect(bodies.length).to.equal(3);
  });

  it("gives up on a provider that never sees it", async () => {
    unknownFor = Number.POSITIVE_INFINITY;
    expect((await rejection(send(10))).code).to.equal("not-found");
  });
});
