import { expect } from "chai";
import { describe, it } from "mocha";
import { asProviderError } from "../../../provider/errors.ts";
import { type NextAction, ProtocolError } from "../../../sdk/index.ts";

describe("what an operator reads about an error of the SDK", () => {
  const hint = (next?: NextAction) =>
    asProviderError(new ProtocolError("network", "It failed.", "Use another one.", { next })).hint;

  it("names the daemon's own variable for a setting", () => {
    expect(hint({ setting: "rpcUrl" })).to.equal("Use another one (RPC_ENDPOINT).");
    expect(hint({ setting: "deployment" })).to.contain("DEPLOYMENT_DIR");
  });

  it("is the hint alone otherwise", () => {
    expect(hint()).to.equal("Use another one.");
    expect(hint({ verb: "listServices" })).to.equal("Use another one.");
  });
});
