import { expect } from "chai";
import { Wallet } from "ethers";
import fc from "fast-check";
import { describe, it } from "mocha";
import { createClient } from "../../../../sdk/client.ts";
import { signRequest, verifyRequest } from "../../../../sdk/service/signedRequest.ts";
import { rejection } from "../../../helpers/rejection.ts";

const wallet = new Wallet(`0x${"44".repeat(32)}`);
const SERVING = `0x${"55".repeat(20)}`;
const NOW = new Date("2026-01-01T00:00:00Z");
const PATH = "/v1/tasks/6b607314-88b0-4fef-91e7-43227a54de57/log?follow=true";

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

const sign = async (body?: string) =>
  (await signRequest(client, { method: "GET", path: PATH, body, now: NOW })).Authorization;

const verify = (header: string | undefined, changes: object = {}) =>
  verifyRequest({
    chainId: 31337,
    serving: SERVING,
    method: "GET",
    path: PATH,
    header,
    now: NOW,
    ...changes,
  });

describe("sdk/service signedRequest", () => {
  it("recovers the signer", async () => {
    const { user, nonce, deadline } = verify(await sign());
    expect(user).to.equal(wallet.address);
    expect(nonce).to.match(/^0x[0-9a-f]{64}$/);
    expect(deadline).to.be.greaterThan(NOW.getTime() / 1_000);
  });

  it("uses a new nonce for each request", async () => {
    expect(verify(await sign()).nonce).not.to.equal(verify(await sign()).nonce);
  });

  it("does not recover the signer if anything that was signed is changed", async () => {
    const header = await sign();
    const changes = [
      { path: PATH.replace("6b607314", "6b607315") },
      { path: PATH.replace("true", "false") },
      { method: "POST" },
      { body: "x" },
      { chainId: 1 },
      { serving: `0x${"56".repeat(20)}` },
    ];
    for (const change of changes) {
      expect(verify(header, change).user, JSON.stringify(change)).not.to.equal(wallet.address);
    }
  });

  it("covers the body", async () => {
    const header = await sign('{"a":1}');
    expect(verify(header, { body: '{"a":1}' }).user).to.equal(wallet.address);
    expect(verify(header, { body: Buffer.from('{"a":1}') }).user).to.equal(wallet.address);
    expect(verify(header, { body: '{"a":2}' }).user).not.to.equal(wallet.address);
  });

  it("does not recover the signer if deadline or nonce are changed", async () => {
    const header = await sign();
    const json = JSON.parse(Buffer.from(header.slice(7), "base64url").toString());
    const encode = (credentials: object) =>
      `Anneal ${Buffer.from(JSON.stringify(credentials)).toString("base64url")}`;
    expect(verify(encode(json)).user).to.equal(wallet.address);
    const later = encode({ ...json, deadline: json.deadline + 60 });
    expect(verify(later).user).not.to.equal(wallet.address);
    const other = encode({ ...json, nonce: `0x${"66".repeat(32)}` });
    expect(verify(other).user).not.to.equal(wallet.address);
  });

  it("refuses a request that has expired, and one signed far ahead", async () => {
    const header = await sign();
    const { deadline } = verify(header);
    const at = (seconds: number) => ({ now: new Date(seconds * 1_000) });
    expect(verify(header, at(deadline)).user).to.equal(wallet.address);
    const late = await rejection(() => verify(header, at(deadline + 1)));
    expect(late.code).to.equal("declined");
    expect(late.message).to.contain("expired");
    const early = await rejection(() => verify(header, at(deadline - 301)));
    expect(early.message).to.contain("too far in the future");
    expect(early.hint).to.contain("clock");
  });

  it("refuses anything but a signature, without other errors", async () => {
    expect((await rejection(() => verify(undefined))).code).to.equal("usage");
    const signature = `0x${"ff".repeat(65)}`;
    const credentials = { deadline: NOW.getTime() / 1_000 + 9, nonce: `0x${"00".repeat(32)}` };
    const wellFormed = Buffer.from(JSON.stringify({ ...credentials, signature }));
    const header = `Anneal ${wellFormed.toString("base64url")}`;
    expect((await rejection(() => verify(header))).message).to.contain("no valid signature");
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.boolean(), async (text, encoded) => {
        const payload = encoded ? Buffer.from(text).toString("base64url") : text;
        expect((await rejection(() => verify(`Anneal ${payload}`))).code).to.equal("usage");
        expect((await rejection(() => verify(text))).code).to.equal("usage");
      }),
    );
  });

  it("needs a key to sign", async () => {
    const reader = { ...client, signer: undefined };
    const error = await rejection(signRequest(reader, { method: "GET", path: PATH }));
    expect(error.code).to.equal("usage");
    expect(error.next).to.deep.equal({ setting: "privateKey" });
  });
});
