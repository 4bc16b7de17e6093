import { link, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { parseTaskId } from "../../../sdk/ids.ts";
import { upload } from "../../../sdk/storage/upload.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { CommandFixture } from "./CommandFixture.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { makeArchive } from "./providerSide.ts";

/** The URL of a storage node that does not exist: a request to it shows that work has begun. */
const NO_STORAGE = { STORAGE_ENDPOINT: "http://127.0.0.1:1" };

describe("tasks: the files that commands write", () => {
  let market: CommandFixture;
  let root: string;
  let task: string;
  let archive: Buffer;

  before(async () => {
    market = await CommandFixture.open();
    const dataset = at("train.jsonl");
    await writeFile(dataset, '{"prompt":"1+1=","completion":"2"}\n');
    ({ root } = await upload(market.storageUrl, dataset));
    archive = await makeArchive(market.folder);
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, amount: "1" });
    await market.json("add-account", { amount: "1" });
    const order = { model: "tiny-qwen2", trainingFile: dataset };
    task = (await market.json("fine-tuning create", order)).id;
    await send(market.provider, acceptTask(market.provider, { id: parseTaskId(task) }));
    await deliverModel(market, task, archive);
  });
  after(() => market.close());

  const at = (name: string) => join(market.folder, name);
  const state = async () => (await market.json("get-task", { task })).state;

  /** Every command that writes a file, with the flag that names it. */
  const commands = () => {
    const model = { provider: market.provider.address, model: "tiny-qwen2" };
    const encryptedModel = at("train.jsonl");
    return [
      ["download", "dataPath", { dataRoot: root }],
      ["acknowledge-model", "dataPath", { task }],
      ["decrypt-model", "output", { task, encryptedModel }],
      ["model-usage", "output", model],
      ["fine-tuning download", "output", { id: task }],
    ] as const;
  };

  /** Every command's error when it is to write to `path`: exit code 2 and a sentence, before any work. */
  async function refusals(path: string, flags: object = {}): Promise<string[]> {
    const said: string[] = [];
    for (const [name, flag, others] of commands()) {
      const words = { ...others, [flag]: path, ...flags };
      const { stderr, exitCode } = await market.run(name, words, { env: NO_STORAGE });
      expect(exitCode, `${name}: ${stderr}`).to.equal(2);
      expect(stderr).to.match(/^Error: .+\.\n.+\.\n$/);
      said.push(stderr);
    }
    expect(await state()).to.equal("Delivered");
    return said;
  }

  it("no command replaces another file without --force", async () => {
    await writeFile(at("mine.zip"), "my only copy");
    for (const said of await refusals(at("mine.zip"))) {
      expect(said).to.contain("mine.zip already exists").and.contain("--force");
    }
    expect(await readFile(at("mine.zip"), "utf8")).to.equal("my only copy");
  });

  it("no command writes to a device, not even with --force", async () => {
    await symlink("/dev/null", at("null.zip"));
    for (const said of await refusals(at("null.zip"), { force: true })) {
      expect(said).to.contain("is a device, not a file");
    }
  });

  it("no command starts work for a file in a folder that does not exist", async () => {
    for (const said of await refusals(at("none/model.zip"))) {
      expect(said).to.contain(`The directory ${at("none")} does not exist`);
    }
  });

  it("--force replaces the file, and the same command again reports that it exists", async () => {
    const path = at("copy.jsonl");
    await writeFile(path, "old");
    const words = { dataRoot: root, dataPath: path };
    expect((await market.run("download", { ...words, force: true })).exitCode).to.equal(0);
    expect(await readFile(path)).to.deep.equal(await readFile(at("train.jsonl")));
    const again = await market.run("download", words, { env: NO_STORAGE });
    expect(again).to.include({ exitCode: 0, stdout: `${path} already contains this data.\n` });
  });

  it("a usage archive is replaced only with --force, and reused if it is the same", async () => {
    const path = at("usage.zip");
    const words = { provider: market.provider.address, model: "tiny-qwen2", output: path };
    await market.run("model-usage", words);
    const again = await market.run("model-usage", words);
    expect(again.stdout).to.equal(`${path} already contains this archive.\n`);
    await writeFile(path, "mine");
    expect((await market.run("model-usage", words)).exitCode).to.equal(2);
    expect(await readFile(path, "utf8")).to.equal("mine");
    expect((await market.run("model-usage", { ...words, force: true })).exitCode).to.equal(0);
    expect((await readFile(path)).subarray(0, 2).toString()).to.equal("PK");
  });

  it("an encrypted and a decrypted model are reused if they exist already", async () => {
    const encrypted = at("model.encrypted");
    const path = at("model_output.zip");
    const first = await market.run("acknowledge-model", { task, dataPath: encrypted });
    expect(first.exitCode, first.stderr).to.equal(0);
    const words = { task, dataPath: encrypted };
    const again = await market.run("acknowledge-model", words, { env: NO_STORAGE });
    expect(again.exitCode, again.stderr).to.equal(0);
    expect(again.stdout).to.contain("already contains the encrypted model");

    await revealKey(market, task);
    const decrypt = { task, encryptedModel: encrypted, output: path };
    expect((await market.run("decrypt-model", decrypt)).exitCode).to.equal(0);
    expect(await readFile(path)).to.deep.equal(archive);
    const found = await market.run("decrypt-model", { ...decrypt, encryptedModel: at("gone") });
    expect(found.exitCode, found.stderr).to.equal(0);
    expect(found.stdout).to.contain(`${path} already contains this model.`);

    await writeFile(path, Buffer.concat([archive.subarray(1), Buffer.of(0)]));
    expect((await market.run("decrypt-model", decrypt)).exitCode).to.equal(2);
    expect((await market.run("decrypt-model", { ...decrypt, force: true })).exitCode).to.equal(0);
    expect(await readFile(path)).to.deep.equal(archive);
  });

  it("a model is never decrypted over its encrypted file, under any name", async () => {
    const encryptedModel = at("model.encrypted");
    const before = await readFile(encryptedModel);
    await link(encryptedModel, at("same.zip"));
    const words = { task, encryptedModel, output: at("same.zip"), force: true };
    const { stderr, exitCode } = await market.run("decrypt-model", words);
    expect(exitCode).to.equal(2);
    expect(stderr).to.contain("would destroy it");
    expect(await readFile(encryptedModel)).to.deep.equal(before);
  });

  it("fine-tuning download overwrites another file only with --force", async () => {
    const output = at("kept.zip");
    await writeFile(output, "mine");
    const words = { id: task, output };
    expect((await market.run("fine-tuning download", words)).exitCode).to.equal(2);
    const { exitCode, stderr } = await market.run("fine-tuning download", {
      ...words,
      force: true,
    });
    expect(exitCode, stderr).to.equal(0);
    expect((await readFile(output)).subarray(0, 2).toString()).to.equal("PK");
  });

  it("nothing is left beside the files if a command is refused", async () => {
    const before = (await readdir(market.folder)).sort();
    for (const [name, flag, others] of commands()) {
      const { exitCode } = await market.run(name, { ...others, [flag]: at("none/x.zip") });
      expect(exitCode, name).to.equal(2);
    }
    expect((await readdir(market.folder)).sort()).to.deep.equal(before);
  });
});
