import { expect } from "chai";
import { describe, it } from "mocha";
import type { TaskStatus } from "../../../sdk/task/fetchTaskStatus.ts";
import { formatDuration } from "../../../tasks/terminal/formatDuration.ts";
import { progressLine, sparkline } from "../../../tasks/terminal/progressLine.ts";

const unknown: TaskStatus = {
  id: "6b607314-88b0-4fef-91e7-43227a54de57",
  state: "training",
  progress: "Training",
  queuePosition: null,
  step: null,
  totalSteps: null,
  epoch: null,
  loss: null,
  tokensPerSecond: null,
  secondsLeft: null,
  failure: null,
  lossBefore: null,
  lossAfter: null,
  accuracyBefore: null,
  accuracyAfter: null,
};

describe("tasks/progressLine", () => {
  it("shows only what is known", () => {
    expect(progressLine("Training", unknown, [])).to.equal("Training");
    expect(progressLine("Init", { ...unknown, queuePosition: 2 }, [])).to.equal(
      "Init · place 2 in the queue",
    );
  });

  it("shows when a waiting task will start", () => {
    const status = { ...unknown, queuePosition: 2, waitSeconds: 300 };
    expect(progressLine("Init", status, [])).to.equal(
      "Init · place 2 in the queue · starts in about 5min 0s",
    );
  });

  it("shows epoch, step, loss, speed and time left", () => {
    const status = {
      ...unknown,
      epoch: 1.5,
      step: 12,
      totalSteps: 30,
      loss: 0.5,
      tokensPerSecond: 812.4,
      secondsLeft: 3725,
    };
    expect(progressLine("Training", status, [2, 1, 0.5])).to.equal(
      "Training · epoch 1.50 · step 12/30 · loss 0.5000 █▃▁ · 812 tokens/s · 1h 2min 5s left",
    );
  });

  it("draws a constant loss as a flat line, and only the newest twenty values", () => {
    expect(sparkline([1, 1, 1])).to.equal("▁▁▁");
    expect(sparkline(Array.from({ length: 50 }, (_, i) => i))).to.have.length(20);
    expect(sparkline([])).to.equal("");
    expect(sparkline([Number.NaN, 1, 2])).to.equal("▁█");
  });
});

describe("tasks/duration", () => {
  it("uses the format of the documentation", () => {
    expect(formatDuration(86_314)).to.equal("23h 58min 34s");
    expect(formatDuration(60)).to.equal("1min 0s");
    expect(formatDuration(59.9)).to.equal("59s");
    expect(formatDuration(-5)).to.equal("0s");
    expect(formatDuration(100 * 3600)).to.equal("100h 0min 0s");
  });
});
