import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { Anvil } from "../../faults/Anvil.ts";
import { attempt } from "../../faults/attempt.ts";
import { FaultFixture } from "../../faults/FaultFixture.ts";
import { Fuse } from "../../faults/Fuse.ts";
import { runUsers } from "../../faults/runUsers.ts";
import { SimulatedUser } from "../../faults/SimulatedUser.ts";

describe("a provider whose disk is lost after a delivery", () => {
  let market: FaultFixture | null = null;
  before(async function () {
    if (Anvil.isAvailable()) {
      market = await FaultFixture.open();
      return;
    }
    console.log("      SKIPPED: anvil is published for Linux on x64 only.");
    this.skip();
  });
  after(() => market?.close());

  /** A daemon that dies after the delivery; `restore` is what its operator restores. */
  const loseDisk = (
    restore: (state: string, backup: string) => void,
    backUpBefore: string | null = null,
  ) =>
    attempt(market!, "restore", async ({ directory, state }) => {
      const order = new SimulatedUser(market!, directory, 2, "finalize");
      const backup = join(directory, "backup");
      const fuse = new Fuse({ point: "after effect: deliver", pass: 1 });
      const beforeStep = (step: string) => {
        if (step === backUpBefore && !existsSync(backup))
          cpSync(state, backup, { recursive: true });
      };
      const nextFuse = () => {
        rmSync(state, { recursive: true });
        mkdirSync(state);
        restore(state, backup);
        return undefined;
      };
      const options = { directory: state, fuse, beforeStep };
      await runUsers({ market: market!, options, users: [order], nextFuse });
      return { users: [order], strikes: fuse.isDead ? 1 : 0 };
    });

  it("reveals the key and is paid with the encryption key alone, without state, archive or backup", async () => {
    const result = await loseDisk(() => undefined);
    expect(result).to.deep.include({ strikes: 1, lost: [], doubled: [] });
  });

  it("reveals the key with a backup of the state from before the sealing step, without the jobs", async () => {
    const result = await loseDisk((state, backup) => {
      cpSync(backup, state, { recursive: true });
      rmSync(join(state, "jobs"), { recursive: true });
    }, "seal");
    expect(result).to.deep.include({ strikes: 1, lost: [], doubled: [] });
  });
});
