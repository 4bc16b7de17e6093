import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { CommandFixture } from "./CommandFixture.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { makeArchive } from "./providerSide.ts";

describe("tasks: unpacking a model as its command suggests", () => {
  let market: CommandFixture;
  let task: string;
  /** The user's folder, with a file that models have, too. */
  let own: string;

  before(async () => {
    market = await CommandFixture.open();
    own = join(market.folder, "own project");
    await mkdir(own);
    writeFileSync(join(own, "receipt.json"), "mine");
    const dataset = join(market.folder, "train.jsonl");
    await writeFile(dataset, '{"prompt":"1+1=","completion":"2"}\n');
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    await market.json("add-account", { amount: "1" });
    const order = { model: "tiny-qwen2", trainingFile: dataset };
    task = (await market.json("fine-tuning create", order)).id;
    await send(market.provider, acceptTask(market.provider, { id: parseTaskId(task) }));
    await deliverModel(market, task, await makeArchive(market.folder));
    const encrypted = { task, dataPath: join(market.folder, "model.encrypted") };
    expect((await market.run("acknowledge-model", encrypted)).exitCode).to.equal(0);
    await revealKey(market, task);
  });
  after(() => market.close());

  /** Runs a command, and then, in a shell, the one that it suggests. @returns the entries of the user's folder. */
  async function runBoth(name: string, flags: Record<string, unknown>): Promise<string[]> {
    const { stderr, exitCode } = await market.run(name, flags);
    expect(exitCode, stderr).to.equal(0);
    const next = /^Next: (.+)$/m.exec(stderr)![1]!;
    execFileSync("sh", ["-c", next], { cwd: own, stdio: ["ignore", "ignore", "pipe"] });
    expect(readFileSync(join(own, "receipt.json"), "utf8")).to.equal("mine");
    return readdirSync(own).sort();
  }

  const weightsIn = (folder: string) =>
    readFileSync(join(own, folder, "tiny-qwen2/model.safetensors"), "utf8");

  const decrypt = () => ({
    task,
    encryptedModel: join(market.folder, "model.encrypted"),
    output: join(own, "decrypted.zip"),
  });

  for (const [what, name, file, flags] of [
    ["decrypted", "decrypt-model", "decrypted.zip", decrypt],
    ["in a zip", "fine-tuning download", "a.zip", () => ({ id: task, output: join(own, "a.zip") })],
    [
      "in a tar file",
      "fine-tuning download",
      "b.tar.zst",
      () => ({ id: task, output: join(own, "b.tar.zst") }),
    ],
  ] as const) {
    it(`${what}: writes a new folder beside the file, every time, and nothing else`, async () => {
      const before = readdirSync(own);
      const folder = file.replace(/\..*/, "");
      const after = [...before, file, folder].sort();
      expect(await runBoth(name, flags())).to.deep.equal(after);
      expect(weightsIn(folder)).to.equal("the latest weights");
      writeFileSync(join(own, folder, "tiny-qwen2/model.safetensors"), "changed by hand");
      expect(await runBoth(name, flags())).to.deep.equal([...after, `${folder}-2`].sort());
      expect(weightsIn(folder)).to.equal("changed by hand");
      expect(weightsIn(`${folder}-2`)).to.equal("the latest weights");
    });
  }
});
