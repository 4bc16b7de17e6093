import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { Anvil } from "../../faults/Anvil.ts";
import { skip } from "../../helpers/skip.ts";

const SCRIPT = join(import.meta.dirname, "../../../scripts/faults.ts");

describe("fault injection, short run", () => {
  it("loses, duplicates and leaks nothing, whatever fails", function () {
    if (!Anvil.isAvailable()) {
      skip(this, "anvil is published for Linux on x64 only.");
    }
    // The choices are always the same; only the timing varies.
    const args = [SCRIPT, "--short", "--json", "--seed", "5"];
    const options = { encoding: "utf8", maxBuffer: 2 ** 26 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
    const result = JSON.parse(stdout || JSON.stringify({ stderr }));
    expect(result, JSON.stringify(result, null, 2)).to.include({
      lost: 0,
      doubled: 0,
      leaked: 0,
    });
    expect(status, stderr).to.equal(0);
    expect(result.runs).to.be.greaterThan(40);
  });
});
