import { readFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { ATTACKS } from "../../../scripts/bench/economics/attacks.ts";
import { measureSybilRank, simulateSybils } from "../../../scripts/bench/economics/sybilRank.ts";

describe("the simulated market", () => {
  it("never ranks 100 wallets that trade with themselves above an honest provider that earned a tenth of their cost", () => {
    const { value, holds } = measureSybilRank(200);
    expect(value).to.equal(2);
    expect(holds).to.equal(true);
  });

  it("gives trades with oneself no better place than one task of the order's size", () => {
    for (let seed = 0; seed < 200; seed++) {
      const { attacker, afterOneTask } = simulateSybils(seed);
      expect(attacker, `seed ${seed}`).to.be.at.least(afterOneTask);
    }
  });

  it("names a test that exists for every attack of the audit", () => {
    for (const [attack, { file, title }] of Object.entries(ATTACKS))
      expect(readFileSync(file, "utf8"), attack).to.contain(title);
  });
});
