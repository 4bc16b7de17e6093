import { expect } from "chai";
import { computeAddress } from "ethers";
import { describe, it } from "mocha";
import { readConfig } from "../../../provider/config.ts";
import type { ProviderError } from "../../../provider/errors.ts";

const KEY = `0x${"ab".repeat(32)}`;

function refusalOf(environment: NodeJS.ProcessEnv): ProviderError {
  try {
    readConfig(environment);
  } catch (error) {
    return error as ProviderError;
  }
  throw new Error("was accepted");
}

describe("readConfig", () => {
  it("needs nothing but the provider's key", () => {
    const config = readConfig({ PROVIDER_PRIVATE_KEY: KEY });
    expect(config.api).to.deep.include({ host: "127.0.0.1", port: 3080 });
    expect(config.storage).to.deep.include({ kind: "embedded", host: "127.0.0.1", port: 5678 });
    expect(config.slots).to.equal(1);
    expect(config.maxJobBytes).to.equal(256 * 2 ** 30);
  });

  it("uses an external storage if one is set", () => {
    const config = readConfig({
      PROVIDER_PRIVATE_KEY: KEY,
      STORAGE_ENDPOINT: "http://127.0.0.1:1",
    });
    expect(config.storage).to.deep.equal({ kind: "remote", url: "http://127.0.0.1:1" });
  });

  it("uses the proxies of the machine's environment", () => {
    const proxies = { HTTPS_PROXY: "http://proxy:1", no_proxy: "node.example" };
    const config = readConfig({ PROVIDER_PRIVATE_KEY: KEY, ...proxies });
    expect(config.proxies).to.deep.include({ https: "http://proxy:1", except: "node.example" });
  });

  it("names each variable that is missing or invalid, in one sentence each", () => {
    expect(refusalOf({}).message).to.equal("PROVIDER_PRIVATE_KEY is not set.");
    expect(refusalOf({ PROVIDER_PRIVATE_KEY: KEY, SLOTS: "two" }).message).to.match(/^SLOTS .*\.$/);
    expect(refusalOf({ PROVIDER_PRIVATE_KEY: KEY, PROVIDER_PORT: "70000" }).message).to.match(
      /^PROVIDER_PORT /,
    );
    expect(refusalOf({ PROVIDER_PRIVATE_KEY: KEY, RPC_ENDPOINT: "ftp://x" }).message).to.match(
      /^RPC_ENDPOINT /,
    );
    const second = { PROVIDER_PRIVATE_KEY: KEY, RPC_ENDPOINT: "http://a:1, ftp://x" };
    expect(refusalOf(second).message).to.match(/^RPC_ENDPOINT /);
  });

  it("reads MAX_GAS_PRICE in gwei", () => {
    const priceOf = (MAX_GAS_PRICE?: string) =>
      readConfig({ PROVIDER_PRIVATE_KEY: KEY, MAX_GAS_PRICE }).maxGasPrice;
    expect(priceOf("0.5")).to.equal(500_000_000n);
    expect(priceOf("")).to.equal(100n * 10n ** 9n);
    for (const MAX_GAS_PRICE of ["0", "-1", "1e3", "2 gwei"])
      expect(refusalOf({ PROVIDER_PRIVATE_KEY: KEY, MAX_GAS_PRICE }).message).to.match(
        /^MAX_GAS_PRICE is .*\.$/,
      );
  });

  it("accepts several RPC endpoints", () => {
    const RPC_ENDPOINT = "http://127.0.0.1:8545, https://rpc.example.org/key";
    expect(readConfig({ PROVIDER_PRIVATE_KEY: KEY, RPC_ENDPOINT }).rpcUrl).to.equal(RPC_ENDPOINT);
  });

  it("works for the key's own address, unless PROVIDER_ADDRESS names another provider", () => {
    const owner = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    const providerOf = (PROVIDER_ADDRESS?: string) =>
      readConfig({ PROVIDER_PRIVATE_KEY: KEY, PROVIDER_ADDRESS }).provider;
    expect(providerOf()).to.equal(computeAddress(KEY));
    expect(providerOf(owner.toLowerCase())).to.equal(owner);
    for (const PROVIDER_ADDRESS of ["0x12", owner.slice(2), `${owner.slice(0, -1)}9`]) {
      const { message } = refusalOf({ PROVIDER_PRIVATE_KEY: KEY, PROVIDER_ADDRESS });
      expect(message).to.equal("PROVIDER_ADDRESS is not an address.");
    }
  });

  it("refuses a number that is not a key", () => {
    const environment = { PROVIDER_PRIVATE_KEY: KEY, PROVIDER_ENCRYPTION_KEY: "00".repeat(32) };
    expect(refusalOf(environment).message).to.equal(
      "PROVIDER_ENCRYPTION_KEY is not a secp256k1 key.",
    );
  });

  it("never repeats a key in an error", () => {
    const { message, hint } = refusalOf({ PROVIDER_PRIVATE_KEY: `${KEY}ab` });
    expect(`${message} ${hint}`).not.to.include("abab");
  });

  it("passes to the trainer only what a training run needs", () => {
    const { trainerEnvironment } = readConfig({
      PROVIDER_PRIVATE_KEY: KEY,
      PROVIDER_ENCRYPTION_KEY: KEY,
      AWS_SECRET_ACCESS_KEY: "secret",
      PATH: "/usr/bin",
    });
    expect(trainerEnvironment).to.deep.equal({
      PATH: "/usr/bin",
      HF_HUB_OFFLINE: "1",
      TRANSFORMERS_OFFLINE: "1",
    });
  });
});
