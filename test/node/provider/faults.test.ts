import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { Anvil } from "../../faults/Anvil.ts";

const SCRIPT = join(import.meta.dirname, "../../../scripts/faults.ts");

describe("fault programme, the short version", function () {
  this.timeout(300_000);

  it("loses nothing and doubles nothing, whatever fails", function () {
    if (!Anvil.isAvailable()) this.skip(); // anvil is published for Linux on x64 only
    const { stdout, stderr } = spawnSync(process.execPath, [SCRIPT, "--short", "--json"], {
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    });
    const result = JSON.parse(stdout || JSON.stringify({ stderr }));
    expect(result, JSON.stringify(result, null, 2)).to.include({ lost: 0, doubled: 0 });
    expect(result.runs).to.be.greaterThan(40);
  });
});
