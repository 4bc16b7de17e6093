import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { displayWidth } from "../../../tasks/terminal/displayWidth.ts";
import { LossCurve } from "../../../tasks/terminal/LossCurve.ts";

const falling = (steps: number) => {
  const curve = new LossCurve();
  curve.totalSteps = steps;
  for (let step = 1; step <= steps; step++)
    curve.addTraining({ step, loss: 0.5 + 2 / Math.sqrt(step) });
  return curve;
};
const canvas = { columns: 60, rows: 24, colors: false };

describe("tasks/LossCurve", () => {
  it("draws the training loss from its highest to its lowest value, and marks evaluations", () => {
    const curve = falling(50);
    curve.addEvaluation({ step: 0, loss: 2.4 });
    curve.addEvaluation({ step: 50, loss: 0.9 });
    expect(curve.draw(canvas)).to.deep.equal([
      "    2.500 │●⢇",
      "          │ ⢸",
      "          │ ⠈⡆",
      "          │  ⠘⡄",
      "          │   ⠘⢄",
      "          │     ⠑⠤⣀",
      "          │        ⠉⠒⠒⠤⠤⠤⣀⣀⡀",
      "   0.7828 │                ⠈⠉⠉⠉⠉⠑⠒⠒⠒⠒⠒⠒⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀⣀⣀●",
      "          └ ⠒⠒ training loss  ● evaluation ──────── step 50",
    ]);
  });

  it("leaves room for the steps to come", () => {
    const curve = falling(10);
    curve.totalSteps = 100;
    const lines = curve.draw(canvas).slice(0, -1);
    expect(Math.max(...lines.map((line) => line.length))).to.be.below(20);
    expect(curve.draw(canvas).at(-1)).to.contain("step 100");
  });

  it("draws steps that an interrupted training run repeats only once", () => {
    const curve = falling(50);
    for (let step = 31; step <= 50; step++)
      curve.addTraining({ step, loss: 0.5 + 2 / Math.sqrt(step) });
    expect(curve.draw(canvas)).to.deep.equal(falling(50).draw(canvas));
  });

  it("draws nothing without a line, or in a terminal that is too small", () => {
    expect(falling(1).draw(canvas)).to.deep.equal([]);
    expect(falling(50).draw({ ...canvas, columns: 30 })).to.deep.equal([]);
    expect(falling(50).draw({ ...canvas, rows: 8 })).to.deep.equal([]);
    expect(falling(50).draw({ columns: undefined, colors: false })).to.deep.equal([]);
  });

  it("fits every terminal, whatever the losses are", () => {
    const loss = fc.double();
    fc.assert(
      fc.property(
        fc.array(loss, { maxLength: 200 }),
        fc.array(fc.tuple(fc.nat(300), loss), { maxLength: 5 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        (losses, evaluations, columns, rows, colors) => {
          const curve = new LossCurve();
          for (const [step, each] of losses.entries()) curve.addTraining({ step, loss: each });
          for (const [step, each] of evaluations) curve.addEvaluation({ step, loss: each });
          const lines = curve.draw({ columns, rows, colors }).map(stripVTControlCharacters);
          expect(lines.length).to.be.below(rows);
          for (const line of lines) expect(displayWidth(line)).to.be.below(columns);
        },
      ),
    );
  });

  it("keeps its shape over millions of steps", () => {
    const lines = falling(100_000).draw(canvas);
    expect(lines).to.have.length(9);
    expect(lines[0]).to.match(/^ +\d[\d.]+ │[⠀-⣿]/);
  });
});
