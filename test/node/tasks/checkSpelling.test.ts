import { expect } from "chai";
import { before, describe, it } from "mocha";
import { findMisspelling, type Vocabulary } from "../../../tasks/flags/checkSpelling.ts";
import { vocabularyOf } from "../../../tasks/hardhat/answerFirst.ts";

describe("tasks/checkSpelling", () => {
  let vocabulary: Vocabulary;
  before(async () => {
    const { default: hre } = await import("hardhat");
    vocabulary = vocabularyOf(hre);
  });

  const hintFor = (line: string) => findMisspelling(line.split(" "), vocabulary)?.hint;

  it("accepts every correct line", () => {
    for (const line of [
      "deposit --amount 0.1",
      "deposit --amount=0.1 --network testnet",
      "--network testnet get-account --json",
      "--show-stack-traces get-account",
      "get-task --wait Finished --task 6b60",
      "get-task --help",
      "fine-tuning create -m x -t y --weight-decay -0.1",
      "create-task --data-size 5 --config-path=c.json --yes --gas-price 1",
      "--version",
      "fine-tuning",
      "fine-tuning --help",
      "fine-tuning create -m tiny-qwen2 -t data.jsonl -b 4 -c 2 -s mine --lora --json",
      "fine-tuning download 6b60 -o model.zip --step -1",
      "fine-tuning status 6b60 --network testnet",
    ]) {
      expect(hintFor(line), line).to.equal(undefined);
    }
  });

  it("ignores the commands of other plugins", () => {
    expect(hintFor("test --grep deposit --no-such-flag")).to.equal(undefined);
  });

  it("knows the commands below their prefix in a project with tasks of its own", () => {
    const rootTasks = new Map(
      ["anneal", "fine-tuning", "deposit"].map((name) => [name, { description: "" }]),
    );
    const project = { tasks: { rootTasks }, globalOptions: {} };
    const elsewhere = vocabularyOf(project as unknown as Parameters<typeof vocabularyOf>[0]);
    const hint = (line: string) => findMisspelling(line.split(" "), elsewhere)?.hint;
    expect(hint("anneal deposit --amout 1")).to.equal('Did you mean "--amount"?');
    expect(hint("anneal depositt --amount 1")).to.equal('Did you mean "deposit"?');
    expect(hint("fine-tuning creat")).to.equal('Did you mean "create"?');
    expect(hint("deposit --their-flag")).to.equal(undefined);
  });

  it("suggests the flag, command or global option that was meant", () => {
    expect(hintFor("deposit --amout 1")).to.equal('Did you mean "--amount"?');
    expect(hintFor("upload --datapath x")).to.equal('Did you mean "--data-path"?');
    expect(hintFor("deposit --netwrk testnet")).to.equal('Did you mean "--network"?');
    expect(hintFor("lst-providers")).to.equal('Did you mean "list-providers"?');
    expect(hintFor("--network testnet lst-providers")).to.equal('Did you mean "list-providers"?');
  });

  it("recognizes the verbs of a family and their flags", () => {
    expect(hintFor("fine-tuning retreive 6b60")).to.equal('Did you mean "retrieve"?');
    expect(hintFor("fine-tuning creat -m x")).to.equal('Did you mean "create"?');
    expect(hintFor("fine-tuning create --n-epoch 3")).to.equal('Did you mean "--n-epochs"?');
    expect(hintFor("fine-tuning create --lora true")).to.equal(
      "Write --lora for yes; leave it out for no.",
    );
    expect(hintFor("fine-tuning create -x 3")).to.equal(
      "See them all: npx hardhat fine-tuning create --help",
    );
    expect(hintFor("fine-tuning create -m")).to.equal(
      "See what it takes: npx hardhat fine-tuning create --help",
    );
  });

  it("suggests the long flag for a short one that does not exist", () => {
    expect(hintFor("fine-tuning create -v rows.jsonl")).to.equal("Use --validation-file.");
    expect(hintFor("fine-tuning create -lr 3")).to.equal("Use --learning-rate.");
    expect(hintFor("deposit -lr 3")).to.equal("See them all: npx hardhat deposit --help");
    expect(hintFor("deposit -a 3")).to.equal("Use --amount.");
    expect(hintFor("deposit --gas_price 3")).to.equal('Did you mean "--gas-price"?');
  });

  it("refuses what is given twice, in the wrong place or without a flag", () => {
    expect(hintFor("deposit --amount 1 --amount 2")).to.equal("Give it once.");
    expect(hintFor("--amount 1 deposit")).to.equal("Write it after deposit.");
    for (const line of ["deposit 5", "deposit -", "deposit -- --amount", "fine-tuning status a b"])
      expect(hintFor(line), line).to.match(/^See what it takes: npx hardhat /);
  });

  it("does not take the next flag for a value", () => {
    const missing = findMisspelling(["deposit", "--amount", "--json"], vocabulary);
    expect(missing?.message).to.equal("Missing value for --amount.");
  });

  it("says where to look if nothing is similar", () => {
    expect(hintFor("deposit --xyzzy")).to.equal("See them all: npx hardhat deposit --help");
    expect(hintFor("xyzzyplugh")).to.equal("See them all: npx hardhat --help");
  });

  it("reports a flag without its value", () => {
    expect(hintFor("deposit --amount")).to.equal("See what it takes: npx hardhat deposit --help");
  });
});
