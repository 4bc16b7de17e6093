import { expect } from "chai";
import { describe, it } from "mocha";
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
});
