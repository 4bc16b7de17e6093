import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { describe as describeError } from "../../../provider/log.ts";
import { ProtocolError } from "../../../sdk/errors.ts";

describe("log", () => {
  it("omits the transaction of an error and ethers' long message", () => {
    const key = "5e".repeat(32);
    const error = Object.assign(new Error(`reverted (transaction={"data":"0x${key}"})`), {
      shortMessage: "reverted",
      code: "CALL_EXCEPTION",
      transaction: { data: `0x${key}` },
      cause: Object.assign(new Error(`inner ${key}`), { shortMessage: "inner" }),
    });
    const text = JSON.stringify(describeError(error));
    expect(text).to.include("reverted").and.to.include("CALL_EXCEPTION").and.to.include("inner");
    expect(text).not.to.include(key);
  });

  it("keeps the message of the chain's node", () => {
    const cause = { error: { code: -32000, message: "txpool is full" } };
    const error = new ProtocolError("network", "The node has no room.", "Wait.", { cause });
    expect(describeError(error)).to.include({ node: "txpool is full (-32000)" });
  });

  it("logs errors under `err`, the one name with a serializer", () => {
    const folder = join(import.meta.dirname, "../../../provider");
    const lines = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => readFileSync(join(folder, path), "utf8"))
      .flatMap((text) => [...text.matchAll(/\.(?:debug|info|warn|error|fatal)\(\s*\{([^}]*)\}/g)]);
    expect(lines.length).to.be.greaterThan(30);
    const misnamed = lines
      .map(([, fields]) => fields!)
      .filter((fields) => /(^|,)\s*error\s*(,|:|$)/.test(fields));
    expect(misnamed).to.deep.equal([]);
  });
});
