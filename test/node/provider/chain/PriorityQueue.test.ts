import { expect } from "chai";
import { describe, it } from "mocha";
import { PriorityQueue } from "../../../../provider/chain/PriorityQueue.ts";

describe("the queue of transactions", () => {
  it("runs a reveal before everything that waits, one at a time", async () => {
    const lane = new PriorityQueue();
    const order: string[] = [];
    let running = 0;
    const work = (name: string) => async () => {
      expect(++running).to.equal(1);
      await Promise.resolve();
      running--;
      order.push(name);
    };
    await Promise.all([
      lane.run(work("accept 1")),
      lane.run(work("accept 2")),
      lane.run(work("reveal"), { isUrgent: true }),
      lane.run(work("deliver")),
    ]);
    expect(order).to.deep.equal(["accept 1", "reveal", "accept 2", "deliver"]);
  });

  it("continues after a failure", async () => {
    const lane = new PriorityQueue();
    const failed = lane.run(() => Promise.reject(new Error("no"))).catch((error) => error.message);
    expect(await lane.run(async () => "yes")).to.equal("yes");
    expect(await failed).to.equal("no");
  });
});
