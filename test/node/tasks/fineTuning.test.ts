import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { openDataset } from "../../../sdk/exchange/openDataset.ts";
import { parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask, failTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { ENCRYPTION_SECRET } from "../../helpers/MarketFixture.ts";
import { CommandFixture, startFakeApi } from "./CommandFixture.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { acknowledged, makeArchive } from "./providerSide.ts";

const ROWS = '{"prompt":"1+1=","completion":"2"}\n{"prompt":"1+2=","completion":"3"}\n';

describe("tasks: the fine-tuning family", () => {
  let market: CommandFixture;
  let dataset: string;
  let archive: Buffer;
  before(async () => {
    market = await CommandFixture.open();
    dataset = join(market.folder, "train.jsonl");
    await writeFile(dataset, ROWS);
    archive = await makeArchive(market.folder);
    const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
    await market.json("register-provider", { ...offer, openTasks: "50", amount: "1" });
    await market.json("add-account", { amount: "1" });
  });
  after(() => market.close());

  const order = () => ({ model: "tiny-qwen2", trainingFile: dataset });
  /** Every order is different, as an identical one would continue with the same task. */
  let orders = 0;
  /** What a provider reports of a training run. */
  const reported = {
    ...{ id: "", state: "training", progress: "Training", queuePosition: null, failure: null },
    ...{ step: 1, totalSteps: 4, epoch: 1, loss: 2, tokensPerSecond: 9, secondsLeft: 60 },
    ...{ lossBefore: null, lossAfter: null, accuracyBefore: null, accuracyAfter: null },
  };
  const create = async (more: object = { seed: String(orders++) }) =>
    (await market.json("fine-tuning create", { ...order(), ...more })).id as string;
  const accept = (id: string) =>
    send(market.provider, acceptTask(market.provider, { id: parseTaskId(id) }));
  const delivered = async () => {
    const id = await create();
    await accept(id);
    await deliverModel(market, id, archive);
    return id;
  };
  const out = (name: string) => join(market.folder, name);

  describe("create", () => {
    it("checks, counts, quotes, uploads and orders; says which provider it chose and what comes next", async () => {
      const { stdout, stderr, exitCode } = await market.run("fine-tuning create", order());
      expect(exitCode, stderr).to.equal(0);
      expect(stdout).to.contain(
        `Chosen: ${market.provider.address} — the only free provider of tiny-qwen2 with no failure in the last 7 days; it has no paid work worth this order.\n`,
      );
      expect(stdout).to.match(/^Fee \(neuron\) +140$/m);
      expect(stdout).to.match(/^Provider's Record\n.*\nPaid Tasks +none$/m);
      expect(stdout).to.contain(`encrypted: only ${market.provider.address} can read it`);
      expect(stdout).to.match(/^Root hash: 0x[0-9a-f]{64}$/m);
      expect(stdout).to.match(/\nCreated Task ID: [0-9a-f-]{36}\n$/);
      expect(stderr).to.match(/^Next, when it is delivered: npx hardhat fine-tuning download /m);
    });

    it("sends the hyper-parameters that are set, and no others", async () => {
      const id = await create({
        nEpochs: "3",
        learningRate: "1e-4",
        lora: true,
        trainOnInputs: "auto",
        suffix: "mine",
      });
      const { order: placed } = await market.json("fine-tuning retrieve", { id });
      expect(placed.config).to.deep.equal({
        ...{ n_epochs: 3, learning_rate: 1e-4, lora: true },
        ...{ train_on_inputs: "auto", suffix: "mine" },
      });
    });

    it("stores only ciphertext, which the provider's key decrypts to the exact file", async () => {
      const { order: placed } = await market.json("fine-tuning retrieve", { id: await create() });
      const [stored, opened] = [out("stored"), out("opened")];
      await market.json("download", { dataRoot: placed.datasetRoot, dataPath: stored });
      const rows = await readFile(dataset);
      expect((await readFile(stored)).includes(rows.subarray(0, 12))).to.equal(false);
      await openDataset(stored, opened, { secret: ENCRYPTION_SECRET });
      expect(await readFile(opened)).to.deep.equal(rows);
    });

    it("accepts stored data by its root, fetches it to count it, and uploads nothing", async () => {
      const { root } = await market.json("upload", { dataPath: dataset });
      const flags = { ...order(), trainingFile: root };
      const { stdout, exitCode } = await market.run("fine-tuning create", flags);
      expect(exitCode).to.equal(0);
      expect(stdout).to.match(/^Fee \(neuron\) +140$/m);
      expect(stdout).not.to.contain("Root hash");
    });

    it("uploads the validation file too and names it in the order", async () => {
      const validation = out("validation.jsonl");
      await writeFile(validation, '{"prompt":"2+2=","completion":"4"}\n');
      const id = await create({ validationFile: validation, nEvals: "2" });
      const { order: placed } = await market.json("fine-tuning retrieve", { id });
      const stored = await market.run("download", {
        dataRoot: placed.validationRoot,
        dataPath: out("copy.jsonl"),
      });
      expect(stored.exitCode).to.equal(0);
    });

    it("reduces the checkpoints to the number of epochs and says so", async () => {
      const flags = { ...order(), nEpochs: "2", nCheckpoints: "30", json: true };
      const { stdout, stderr } = await market.run("fine-tuning create", flags);
      expect(stderr).to.contain("more than 2 epochs: 2 checkpoints");
      const { order: placed } = await market.json("fine-tuning retrieve", {
        id: JSON.parse(stdout).id,
      });
      expect(placed.config).to.deep.equal({ n_checkpoints: 2, n_epochs: 2 });
    });

    it("chooses the better of two providers, and says in the document too what passed over the cheaper one", async () => {
      const rival = await startFakeApi(market.stranger);
      const { privateKey } = market.chain.accounts[3]!;
      const asRival = { env: { ZG_PRIVATE_KEY: privateKey } };
      const terms = { url: rival.daemon.url, price: "0.000000000000000001", unit: "byte" };
      await market.run("register-provider", { ...terms, amount: "1" }, asRival);
      const plan = { ...order(), dryRun: true, seed: String(orders++) };

      const cheaper = await market.json("fine-tuning create", plan);
      expect(cheaper.choice).to.include({ among: 2, passedOver: null });
      expect(cheaper.choice.reason).to.contain(
        `Chosen: ${market.stranger.address} — cheapest of 2`,
      );
      rival.daemon.queue = { slots: 1, running: 1, waiting: 0 };
      const { choice } = await market.json("fine-tuning create", plan);
      expect(choice.reason).to.contain(`Chosen: ${market.provider.address} — the only free`);
      expect(choice.passedOver).to.deep.equal({
        provider: market.stranger.address,
        fee: "70",
        rule: "queue",
      });
      const given = { ...plan, provider: market.provider.address };
      expect((await market.json("fine-tuning create", given)).choice).to.equal(null);

      await market.run("remove-provider", {}, asRival);
      await rival.close();
    });

    it("refuses a training method that does not fit the rows before anything is paid", async () => {
      const { stderr, exitCode } = await market.run("fine-tuning create", {
        ...order(),
        trainingMethod: "kto",
      });
      expect(exitCode).to.equal(2);
      expect(stderr).to.contain("training_method is kto, which learns from answers with a label");
      expect(stderr).to.contain("has plain rows.");
    });

    it("refuses flags that would have no effect", async () => {
      for (const [flags, sentence] of [
        [
          { loraR: "4", loraAlpha: "8" },
          "--lora-r and --lora-alpha have an effect only with --lora.",
        ],
        [
          { hfModelRevision: "main" },
          "--hf-model-revision has an effect only with --from-hf-model.",
        ],
        [{ output: "model.pdf" }, "--output has an effect only with --wait."],
        [
          { schedulerNumCycles: "2", lrSchedulerType: "linear" },
          "--scheduler-num-cycles has an effect only with --lr-scheduler-type cosine.",
        ],
        [{ simpoGamma: "1" }, "--simpo-gamma has an effect only with --training-method simpo."],
        [
          { rpoAlpha: "1", trainingMethod: "orpo" },
          "--rpo-alpha has an effect only with --training-method dpo.",
        ],
        [
          { dpoBeta: "1", trainingMethod: "sft" },
          "--dpo-beta has an effect only with --training-method dpo or simpo or kto.",
        ],
      ] as const) {
        const { stderr, exitCode } = await market.run("fine-tuning create", {
          ...order(),
          ...flags,
        });
        expect(exitCode).to.equal(2);
        expect(stderr).to.contain(sentence);
      }
    });

    it("finds the task whose checkpoint it starts from before anything is counted", async () => {
      const start = async (fromCheckpoint: string, more = {}) =>
        market.run("fine-tuning create", { ...order(), dryRun: true, fromCheckpoint, ...more });
      const missing = await start("nonsense:3");
      expect(missing.exitCode).to.equal(1);
      expect(missing.stderr).to.contain('no task whose id begins with "nonsense"');
      const open = await create({ suffix: "first", seed: "77" });
      const early = await start("first");
      expect(early.exitCode).to.equal(2);
      expect(early.stderr).to.contain(
        `Task ${open} is Init, so its checkpoints cannot be used yet.`,
      );
      await accept(open);
      await deliverModel(market, open, archive);
      const fetched = market.json("fine-tuning download", { id: open, output: out("first.zip") });
      await acknowledged(market, open);
      await revealKey(market, open);
      await fetched;
      const other = await start(open.slice(0, 8), { model: "tiny-distilbert" });
      expect(other.stderr).to.contain("trained tiny-qwen2, not tiny-distilbert");
      const lora = await start("first:4", { lora: true });
      expect(lora.stderr).to.contain("from which LoRA cannot continue");
      const { stdout } = await start("first:4", { json: true });
      const { config } = JSON.parse(stdout).arguments.order;
      expect(config).to.deep.equal({ from_checkpoint: `${open}:4` });
      expect(stdout).not.to.contain("Verify");
    });

    it("asks before it orders, and says what it costs", async () => {
      const asked = await market.run("fine-tuning create", {
        ...order(),
        nEpochs: "6",
        yes: false,
      });
      expect(asked.exitCode).to.equal(2);
      expect(asked.stderr).to.contain("Create the task for 0.00000000000000021 OG?");
      expect(asked.stderr).to.contain("--yes");
      expect(asked.stdout).not.to.contain("Uploaded");
    });

    it("asks before it queues at a busy provider", async () => {
      market.daemon.queue = { slots: 1, running: 1, waiting: 0 };
      const busy = await market.run("fine-tuning create", {
        ...{ ...order(), nEpochs: "7", yes: false },
      });
      market.daemon.queue = { slots: 1, running: 0, waiting: 0 };
      expect(busy.exitCode).to.equal(2);
      expect(busy.stdout).to.contain("the only provider of tiny-qwen2").and.contain("it is busy");
      expect(busy.stderr).to.contain("Provider busy").and.contain("--yes");
    });

    it("shows with --dry-run what would be ordered, and neither uploads nor orders it", async () => {
      const before = await market.json("fine-tuning list");
      const file = out("never-sent.jsonl");
      await writeFile(file, '{"text":"stays at home"}\n');
      const flags = { ...order(), trainingFile: file };
      const plan = await market.json("fine-tuning create", { ...flags, dryRun: true });
      expect(plan).to.include({ dryRun: true, verb: "createTask" });
      const root = plan.arguments.order.datasetRoot;
      const looked = { dataRoot: root, dataPath: out("nothing") };
      expect((await market.run("download", looked)).exitCode).to.not.equal(0);
      const sent = await market.json("upload", {
        dataPath: file,
        provider: market.provider.address,
      });
      expect(sent.root).to.equal(root);
      expect(await market.json("fine-tuning list")).to.deep.equal(before);
    });

    it("refuses values out of range, all problems at once, before it asks the network", async () => {
      const flags = { ...order(), nEpochs: "21", warmupRatio: "2", learningRate: "fast" };
      const env = { RPC_ENDPOINT: "http://127.0.0.1:1" };
      const { stderr, exitCode } = await market.run("fine-tuning create", flags, { env });
      expect(exitCode).to.equal(2);
      expect(stderr)
        .to.contain("--n-epochs")
        .and.contain("--warmup-ratio")
        .and.contain("--learning-rate");
    });

    it("refuses evaluations without a dataset to evaluate on, and a missing model or file", async () => {
      for (const [flags, words] of [
        [{ ...order(), nEvals: "2" }, "--validation-file"],
        [{ trainingFile: dataset }, "--model"],
        [{ model: "tiny-qwen2" }, "--training-file"],
        [{ ...order(), model: "tiny-qwen" }, 'Did you mean "tiny-qwen2"?'],
        [{ ...order(), trainingFile: out("none.jsonl") }, "none.jsonl"],
      ] as const) {
        const { stderr, exitCode } = await market.run("fine-tuning create", flags);
        expect(exitCode, words).to.equal(2);
        expect(stderr).to.contain(words);
      }
    });

    it("shows every problem of a dataset, exits 3, and orders nothing", async () => {
      const bad = out("bad.jsonl");
      await writeFile(bad, '{"prompt":"1+1=","completion":""}\nnot json\n');
      const flags = { ...order(), trainingFile: bad };
      const { stdout, exitCode } = await market.run("fine-tuning create", flags);
      expect(exitCode).to.equal(3);
      expect(stdout).to.contain(`${bad}:1: error`).and.contain(`${bad}:2: error`);
      expect(stdout).not.to.contain("Created Task");
    });
  });

  describe("list, retrieve, status, cancel, list-events, list-checkpoints", () => {
    it("lists the tasks at all providers, the newest at the bottom", async () => {
      const first = await create();
      const second = await create();
      const { tasks } = await market.json("fine-tuning list");
      expect(tasks.slice(-2).map((task: { id: string }) => task.id)).to.deep.equal([first, second]);
      const { stdout } = await market.run("fine-tuning list");
      expect(stdout.indexOf(first)).to.be.within(0, stdout.indexOf(second));
    });

    it("finds a task by the start of its id, without its provider", async () => {
      const id = await create();
      expect(await market.json("fine-tuning retrieve", { id: id.slice(0, 12) })).to.include({ id });
      const { stdout } = await market.run("fine-tuning retrieve", { id });
      expect(stdout).to.contain(`Provider                ${market.provider.address}`.slice(0, 12));
      expect(stdout).to.match(/^Progress +Init$/m);
    });

    it("says what is missing if no id is given", async () => {
      for (const verb of ["retrieve", "status", "cancel", "list-events", "download"]) {
        const { stderr, exitCode } = await market.run(`fine-tuning ${verb}`, { id: "" });
        expect(exitCode, verb).to.equal(2);
        expect(stderr).to.contain("fine-tuning list");
      }
      const unknown = await market.run("fine-tuning status", { id: "zz" });
      expect(unknown.exitCode).to.equal(1);
      expect(unknown.stderr).to.contain('"zz"');
    });

    it("prints the status in one word; the exit code says whose fault a failure is", async () => {
      const id = await create();
      const status = () => market.run("fine-tuning status", { id });
      expect(await status()).to.deep.equal({ stdout: "Init\n", stderr: "", exitCode: 0 });
      await accept(id);
      expect((await status()).stdout).to.equal("SettingUp\n");
      await send(
        market.provider,
        failTask(market.provider, { id: parseTaskId(id), reason: "DatasetInvalid" }),
      );
      const failed = await status();
      expect(failed).to.include({ stdout: "Failed\n", exitCode: 6 });
      expect(failed.stderr).to.contain("DatasetInvalid");
    });

    it("cancels a task that has not started, at no cost", async () => {
      const id = await create();
      expect((await market.run("fine-tuning cancel", { id })).exitCode).to.equal(0);
      expect((await market.run("fine-tuning status", { id })).exitCode).to.equal(7);
      const again = await market.run("fine-tuning cancel", { id });
      expect(again.exitCode).to.equal(7);
      expect(again.stderr).to.contain("can no longer be cancelled");
    });

    it("stops a running task for what it has cost so far, and only if that is agreed to", async () => {
      const id = await create();
      await accept(id);
      const asked = await market.run("fine-tuning cancel", { id });
      expect(asked.exitCode).to.equal(2);
      expect(asked.stderr).to.contain("0.00000000000000007 OG").and.contain("--yes");
      const plan = await market.json("fine-tuning cancel", { id, dryRun: true });
      expect(plan).to.include({ dryRun: true, amount: "70", fee: "140" });
      const stopped = await market.json("fine-tuning cancel", { id, yes: true });
      expect(stopped).to.include({ id, amount: "70", settled: true });
      const task = await market.json("get-task", { task: id });
      expect(task).to.include({ state: "Settled", paid: "70" });
    });

    it("shows the events of the provider between acceptance and delivery, whatever its clock says", async () => {
      const id = await delivered();
      market.daemon.events = [
        { seq: 1, time: "2020-01-01T00:00:00.000Z", type: "started", total: 4 },
        { seq: 2, time: "2090-01-01T00:00:00.000Z", type: "progress", step: 1, loss: 2.5 },
        { seq: 3, time: "2090-01-01T00:00:01.000Z", type: "progress", step: 2, loss: 1.23456789 },
      ];
      const { events } = await market.json("fine-tuning list-events", { id });
      expect(events.map((each: { type: string }) => each.type)).to.deep.equal([
        "TaskCreated",
        "TaskAccepted",
        "started",
        "progress",
        "progress",
        "TaskDelivered",
      ]);
      const { stdout } = await market.run("fine-tuning list-events", { id });
      expect(stdout).to.match(
        /^2090-01-01 00:00:01 +progress +steps 1 to 2, loss 2.500 to 1.235$/m,
      );
      const { stdout: all } = await market.run("fine-tuning list-events", { id, all: true });
      expect(all).to.match(/^2090-01-01 00:00:00 +progress +step 1, loss 2.500$/m);
      expect(all).to.match(/^2090-01-01 00:00:01 +progress +step 2, loss 1.235$/m);
    });

    it("follows a task until its next step is the user's, and says whether the training run helped", async () => {
      const id = await create();
      await accept(id);
      market.daemon.status = { ...reported, lossBefore: 2.5, lossAfter: 2.49 };
      const following = market.run("fine-tuning follow", { id: id.slice(0, 8) });
      await deliverModel(market, id, archive);
      const { stdout, stderr, exitCode } = await following;
      market.daemon.status = undefined;
      expect(exitCode, stderr).to.equal(0);
      expect(stdout).to.contain(`Task ${id} is Delivered.`);
      expect(stdout).to.contain("Acknowledge it by ");
      expect(stdout).to.contain("Loss: 2.500 before, 2.490 after.");
      expect(stdout).to.contain("The training run changed little.");
      expect(stdout).to.contain("Cost: 0.00000000000000014 OG.");
      expect(stderr).to.contain(`Next: npx hardhat fine-tuning download ${id}`);
    });

    it("stops following at the timeout, and exits like the failure of a task that failed", async () => {
      const id = await create();
      const waited = await market.run("fine-tuning follow", { id, timeout: "1" });
      expect(waited.exitCode).to.equal(8);
      await accept(id);
      const failed = { id: parseTaskId(id), reason: "DatasetInvalid" } as const;
      await send(market.provider, failTask(market.provider, failed));
      const { exitCode, stderr } = await market.run("fine-tuning follow", { id });
      expect(exitCode).to.equal(6);
      expect(stderr).to.contain("DatasetInvalid");
    });

    it("shows what a training that stopped early does not cost", async () => {
      const id = await create();
      await accept(id);
      await deliverModel(market, id, archive, { rebate: 40n });
      const { stdout } = await market.run("fine-tuning retrieve", { id });
      expect(stdout).to.match(/^Units of Work +70$/m);
      expect(stdout).to.match(/^Fee \(neuron\) +140$/m);
      expect(stdout).to.match(/^Rebate \(neuron\) +40, for work not done$/m);
      const events = await market.run("fine-tuning list-events", { id });
      expect(events.stdout).to.contain("0.00000000000000004 OG back to you for work not done");
    });

    it("lists checkpoints by step, type and time", async () => {
      const id = await create();
      const time = "2026-01-01T00:00:00.000Z";
      market.daemon.events = [];
      const none = await market.run("fine-tuning list-checkpoints", { id });
      expect(none.stdout).to.equal("No checkpoints have been saved yet.\n");
      market.daemon.events = [{ seq: 1, time, type: "checkpoint", step: 2, hash: "aa" }];
      const before = await market.json("fine-tuning list-checkpoints", { id });
      expect(before.checkpoints).to.deep.equal([
        { step: 2, time, hash: "aa", type: "Intermediate" },
      ]);
      market.daemon.events.push(
        { seq: 2, time, type: "checkpoint", step: 4, hash: "bb" },
        { seq: 3, time, type: "done" },
      );
      const { stdout } = await market.run("fine-tuning list-checkpoints", { id });
      expect(stdout).to.match(/^2 +Intermediate +2026-01-01T00:00:00.000Z$/m);
      expect(stdout).to.match(/^4 +Final +2026-01-01T00:00:00.000Z$/m);
      market.daemon.events = [];
    });
  });
});
