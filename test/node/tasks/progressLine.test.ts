import { expect } from "chai";
import { describe, it } from "mocha";
import type { TaskStatus } from "../../../sdk/task/fetchTaskStatus.ts";
import { formatDuration } from "../../../tasks/terminal/formatDuration.ts";
import { progressLine } from "../../../tasks/terminal/progressLine.ts";

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

const line = (progress: string, status: TaskStatus | null, columns?: number) =>
  progressLine({ progress, status, elapsed: 12 }, columns);

describe("tasks/progressLine", () => {
  it("shows for how long a state has lasted, and only what is known", () => {
    expect(line("SetUp", null)).to.equal("SetUp · 12s");
    expect(line("SetUp", unknown)).to.equal("SetUp · 12s");
  });

  it("shows the place in the queue, and the latest start", () => {
    expect(line("Init", { ...unknown, queuePosition: 2 })).to.equal(
      "Init · 12s · 2 ahead in the queue",
    );
    expect(line("Init", { ...unknown, queuePosition: 0, waitSeconds: 300 })).to.equal(
      "Init · 12s · next in the queue · starts within 5min 0s",
    );
  });

  const training = {
    ...unknown,
    epoch: 1.5,
    step: 12,
    totalSteps: 30,
    loss: 0.5,
    tokensPerSecond: 812.4,
    secondsLeft: 3725,
  };

  it("shows time left, step, loss, epoch and speed, and leaves out what does not fit", () => {
    expect(line("Training", training)).to.equal(
      "Training · 1h 2min 5s left · step 12/30 · loss 0.5000 · epoch 1.50 · 812 tokens/s",
    );
    expect(line("Training", training, 60)).to.equal(
      "Training · 1h 2min 5s left · step 12/30 · loss 0.5000",
    );
    expect(line("Training", training, 30)).to.equal("Training · 1h 2min 5s left");
  });

  it("shows nothing of a training run that has ended", () => {
    expect(line("Delivered", training)).to.equal("Delivered · 12s");
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
