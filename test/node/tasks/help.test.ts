import { expect } from "chai";
import { describe, it } from "mocha";
import type { ProtocolError } from "../../../sdk/errors.ts";
import type { CommandDefinition } from "../../../tasks/definition.ts";
import { checkRequired } from "../../../tasks/flags/checkRequired.ts";
import { findMisspelling } from "../../../tasks/flags/checkSpelling.ts";
import { GLOBALS } from "../../../tasks/flags/options.ts";
import { readWords } from "../../../tasks/flags/readWords.ts";
import { examplesOf } from "../../../tasks/flags/typedForm.ts";
import { renderCommandHelp } from "../../../tasks/help/renderHelp.ts";
import { commands } from "../../../tasks/index.ts";

const program = "npx hardhat";
const command = (line: string) => `${program} ${line}`;
const named = (name: string) => commands.find(({ path }) => path.join(" ") === name)!;

/** What is typed for each parameter in an example. */
function valuesOf(definition: CommandDefinition, words: readonly string[]) {
  const [place] = Object.entries(definition.parameters).filter(
    ([, { kind }]) => kind === "argument",
  );
  return Object.fromEntries(
    [...readWords(words, definition.parameters)].map((word) =>
      word.kind === "argument" ? [place?.[0], word.typed] : [word.known?.[0], word.value ?? true],
    ),
  );
}

/** The error of a command that is called with these values. */
function refusal(name: string, values: object): ProtocolError | undefined {
  try {
    checkRequired(named(name), { ...values }, { command });
    return undefined;
  } catch (error) {
    return error as ProtocolError;
  }
}

describe("tasks: help", () => {
  for (const width of [80, 120]) {
    it(`fits ${width} columns for every command`, () => {
      for (const each of commands) {
        const lines = renderCommandHelp(each, { program, columns: width }).split("\n");
        const long = lines.filter((line) => line.length > width);
        expect(long, each.path.join(" ")).to.deep.equal([]);
      }
    });
  }

  it("has examples that can be typed, with everything that is required", () => {
    const vocabulary = { program, commands, others: [], globals: GLOBALS };
    for (const each of commands) {
      for (const line of examplesOf(each)) {
        const words = line.split(" ");
        expect(findMisspelling(words, vocabulary)?.message, line).to.equal(undefined);
        const values = valuesOf(each, words.slice(each.path.length));
        expect(() => checkRequired(each, values, { command }), line).not.to.throw();
      }
    }
  });

  it("puts what is required first, marked, with the names of its values", () => {
    const help = renderCommandHelp(named("create-task"), { program, columns: 120 });
    const flags = help.split("\n").filter((line) => line.startsWith("  --"));
    const marked = flags.map((line) => line.includes("(required)"));
    expect(marked.filter(Boolean)).to.have.length(5);
    expect(marked.slice(0, 5)).to.not.include(false);
    expect(help).to.include("--provider <ADDRESS>").and.include("--config-path <PATH>");
    expect(help).to.include(
      "Usage: npx hardhat create-task --provider <ADDRESS> --model <NAME> --dataset <ROOT>",
    );
  });

  it("groups the flags of fine-tuning create by what they are for", () => {
    const help = renderCommandHelp(named("fine-tuning create"), { program, columns: 120 });
    const headings = help.split("\n").filter((line) => /^[A-Z][\w ]+$/.test(line));
    expect(headings).to.deep.equal([
      "What to train",
      "How to train",
      "LoRA",
      "Tracking and publishing",
      "Ordering",
      "Output",
      "With every command",
      "Examples",
    ]);
    const under = (heading: string) => help.split(`\n${heading}\n`)[1]!.split("\n\n")[0];
    expect(under("LoRA")).to.include("--lora-r").and.not.include("--n-epochs");
    expect(under("Ordering")).to.include("--provider").and.not.include("--json");
  });
});

describe("tasks: required flags", () => {
  it("are all named at once if they are missing, with an example", () => {
    expect(refusal("transfer-fund", { amount: "1" })).to.include({
      code: "usage",
      message: "--from and --to are missing.",
      hint: "For example: npx hardhat transfer-fund --from <ADDRESS> --to <ADDRESS> --amount <OG>",
    });
    for (const values of [{}, { amount: "" }])
      expect(refusal("deposit", values)?.message).to.equal(
        "--amount is missing: amount in OG, for example 0.1.",
      );
    expect(refusal("fine-tuning status", { id: "" })).to.include({
      message:
        "<ID> is missing: ID of the task, its beginning, or the name or suffix of the model; fine-tuning list shows them.",
      hint: "For example: npx hardhat fine-tuning status 6b607314",
    });
    expect(refusal("deposit", { amount: "1" })).to.equal(undefined);
  });
});
