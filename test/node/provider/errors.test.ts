import { expect } from "chai";
import { describe, it } from "mocha";
import { asProviderError } from "../../../provider/errors.ts";
import { type NextAction, ProtocolError } from "../../../sdk/index.ts";

describe("hints for operators on errors of the SDK", () => {
  const hint = (next?: NextAction) =>
    asProviderError(new ProtocolError("network", "It failed.", "Use another one.", { next })).hint;

  it("name the daemon's own variable for a setting", () => {
    expect(hint({ setting: "rpcUrl" })).to.equal("Use another one (RPC_ENDPOINT).");
    expect(hint({ setting: "deployment" })).to.contain("DEPLOYMENT_DIR");
  });

  it("are unchanged otherwise", () => {
    expect(hint()).to.equal("Use another one.");
    expect(hint({ verb: "listServices" })).to.equal("Use another one.");
  });
});
