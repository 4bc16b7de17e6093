import { expect } from "chai";
import { describe, it } from "mocha";
import { isPublicUrl } from "../../../../sdk/service/publicUrl.ts";

const TESTNET = { chainId: 16602 };

describe("sdk/service isPublicUrl", () => {
  it("recognizes loopback, private and local addresses, however they are written", () => {
    for (const host of [
      "localhost",
      "localhost.",
      "api.localhost",
      "gpu",
      "gpu.local",
      "127.0.0.1",
      "127.1",
      "0x7f.1",
      "2130706433",
      "0.0.0.0",
      "10.1.2.3",
      "100.64.0.1",
      "169.254.169.254",
      "172.31.0.1",
      "192.168.0.10",
      "[::1]",
      "[::]",
      "[fd00::1]",
      "[fe80::1]",
      "[::ffff:127.0.0.1]",
    ]) {
      expect(isPublicUrl(TESTNET, `http://${host}:3000`), host).to.equal(false);
    }
  });

  it("recognizes public names and addresses", () => {
    for (const host of ["gpu.example.org", "8.8.8.8", "172.32.0.1", "[2001:db8::1]"]) {
      expect(isPublicUrl(TESTNET, `https://${host}`), host).to.equal(true);
    }
  });

  it("allows loopback on a local chain", () => {
    expect(isPublicUrl({ chainId: 31337 }, "http://127.0.0.1:3000")).to.equal(true);
  });
});
