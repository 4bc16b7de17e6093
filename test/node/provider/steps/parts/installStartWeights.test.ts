import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { getBytes } from "ethers";
import { afterEach, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../../../../provider/clock.ts";
import { EncryptionKey } from "../../../../../provider/EncryptionKey.ts";
import { EncryptionKeys } from "../../../../../provider/EncryptionKeys.ts";
import type { ProviderError } from "../../../../../provider/errors.ts";
import { Catalogue, type Model } from "../../../../../provider/models/Catalogue.ts";
import { clean } from "../../../../../provider/steps/clean.ts";
import type { StepContext } from "../../../../../provider/steps/parts/StepContext.ts";
import { putSecrets } from "../../../../../provider/steps/parts/taskSecrets.ts";
import { isAllowed } from "../../../../../provider/steps/parts/trackTask.ts";
import { train } from "../../../../../provider/steps/train.ts";
import type { JobRecord } from "../../../../../provider/store/Store.ts";
import { sealSecrets } from "../../../../../sdk/exchange/sealSecrets.ts";
import { formatTaskId, type TaskId } from "../../../../../sdk/ids.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const HASH = `0x${"ab".repeat(32)}`;
const USER = `0x${"aa".repeat(20)}`;
const KEY = EncryptionKey.derive(new Uint8Array(32).fill(1));

/** A stub for the online package: records its arguments, and does what the job's test asks for. */
const STAND_IN = `#!/usr/bin/env node
const { appendFileSync, mkdirSync, writeFileSync } = require("node:fs");
const args = process.argv.slice(2);
const valueOf = (name) => args[args.indexOf(name) + 1];
const told = (input) => appendFileSync(__dirname + "/told.jsonl", JSON.stringify({ args, input }) + "\\n");
let input = "";
process.stdin.on("data", (part) => {
  if (args[1] === "anneal_online.track") console.log('{"status":"refused","warning":"The key is wrong."}');
  input += part;
});
process.stdin.on("end", () => {
  told(JSON.parse(input));
  if (args[1] === "anneal_online.track") return;
  if (args.includes("no/model")) {
    console.error("The hub has no repository no/model.\\nCheck its name.");
    process.exitCode = 2;
  } else if (args[2] === "upload") console.log('{"url":"https://hub/x"}');
  else {
    mkdirSync(valueOf("--to"));
    writeFileSync(valueOf("--to") + "/config.json", "{}");
    console.log('{"commit":"abc"}');
  }
});
`;

/** A machine on which training runs succeed. */
const SOUND = { isBroken: false, isHealthy: async () => true, noteTrained: () => undefined };

describe("a training run that starts or ends at a hub", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-start-"));
    mkdirSync(join(root, "model"));
    mkdirSync(jobFile("work/out"), { recursive: true });
    writeFileSync(join(root, "model/config.json"), "{}");
    writeFileSync(join(root, "python"), STAND_IN, { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const jobFile = (name: string) => join(root, "jobs", formatTaskId(ID), name);
  const readJob = () => JSON.parse(readFileSync(jobFile("job.json"), "utf8"));
  const told = () =>
    readFileSync(join(root, "told.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  const context = () => {
    const model = { name: "tiny", kind: "causal-lm", hash: HASH, directory: join(root, "model") };
    return {
      catalogue: new Catalogue([model as Model], { maxDatasetBytes: 2 ** 30 }),
      jobsDirectory: join(root, "jobs"),
      checkpoints: { directory: join(root, "kept"), days: 30, tasks: 10 },
      online: { python: join(root, "python"), environment: { PATH: process.env.PATH! } },
      trackerHosts: [".wandb.ai"],
      maxModelBytes: 1_000,
      maxJobBytes: 2 ** 20,
      machine: SOUND,
      store: { openJobs: () => [] },
      clock: systemClock,
      encryptionKeys: new EncryptionKeys(KEY),
      log: { info: () => undefined },
      trainer: { train: async () => ({ kind: "exit", code: 0 }) },
    } as unknown as StepContext;
  };
  const recordOf = (config: object, chain = "Accepted") =>
    ({
      id: ID,
      user: USER,
      order: { modelHash: HASH, config },
      facts: { train: "data/train.jsonl", validation: null },
      job: { chain },
    }) as unknown as JobRecord;
  const never = new AbortController().signal;
  const run = (config: object) => train(context(), recordOf(config), never, 0);
  const keep = (task: string, user = USER) => {
    mkdirSync(join(root, "kept", task, "step-4"), { recursive: true });
    writeFileSync(join(root, "kept", task, "step-4/model.safetensors"), "weights");
    const sheet = { user, model: HASH, name: "tiny", keptAt: Date.now() };
    writeFileSync(join(root, "kept", task, "kept.json"), JSON.stringify(sheet));
  };
  const send = async () => {
    const encryptionKey = getBytes(KEY.publicKey);
    const secrets = { wandbApiKey: "w".repeat(40), hfApiToken: "hf_token" };
    await putSecrets(join(root, "jobs"), ID, sealSecrets({ encryptionKey, id: ID, secrets }));
  };

  it("starts from a checkpoint of the same user, which outlives the kept files", async () => {
    keep("earlier");
    await run({ from_checkpoint: "earlier:4" });
    expect(readJob().start).to.equal("checkpoint");
    rmSync(join(root, "kept"), { recursive: true });
    await run({ from_checkpoint: "earlier:4" }); // resumed
    expect(readFileSync(jobFile("start/model.safetensors"), "utf8")).to.equal("weights");
  });

  it("refuses another user's checkpoint", async () => {
    keep("earlier", `0x${"bb".repeat(20)}`);
    const error = await run({ from_checkpoint: "earlier:4" }).catch((error) => error);
    expect(error).to.include({ reason: "ConfigInvalid" });
    expect(existsSync(jobFile("start"))).to.equal(false);
  });

  it("starts from a repository, fetched once with the user's token", async () => {
    await send();
    const config = { from_hf_model: "a/b", hf_model_revision: "v1" };
    await run(config);
    await run(config);
    expect(readJob().start).to.equal("hub");
    expect(told().length).to.equal(1);
    expect(told()[0].input).to.deep.equal({ hf_api_token: "hf_token" });
    expect(told()[0].args.join(" ")).to.include("--repository a/b").and.include("--revision v1");
    expect(told()[0].args.join(" ")).to.include(`--base ${join(root, "model")}`);
  });

  it("fails a task whose repository does not exist, in the hub's words", async () => {
    await send();
    const error: ProviderError = await run({ from_hf_model: "no/model" }).catch((error) => error);
    expect(error).to.include({ reason: "ConfigInvalid", hint: "Check its name." });
    expect(error.message).to.match(/no repository no\/model/);
  });

  it("continues training with an invalid tracker token, and notifies the user", async () => {
    await send();
    await run({ wandb_project_name: "sums" });
    expect(readJob().notices).to.deep.equal(["The key is wrong."]);
    expect(told()[0].input).to.deep.equal({ wandb_api_key: "w".repeat(40) });
    expect(told()[0].args).to.include("--project=sums");
  });

  it("connects to no tracker that the operator has not allowed", async () => {
    await run({ wandb_base_url: "http://127.0.0.1:8545" });
    expect(readJob().notices[0]).to.match(/does not connect to the Weights & Biases server/);
    expect(existsSync(join(root, "told.jsonl"))).to.equal(false);
    const hosts = ["own.example", ".wandb.ai"];
    expect(isAllowed(hosts, undefined)).to.equal(true);
    expect(isAllowed(hosts, "https://api.wandb.ai")).to.equal(true);
    expect(isAllowed(hosts, "https://own.example/path")).to.equal(true);
    for (const url of ["https://evilwandb.ai", "https://a.own.example", "http://[::1]/", "x"])
      expect(isAllowed(hosts, url), url).to.equal(false);
  });

  it("uploads a model when its task is settled, and then deletes the secrets", async () => {
    await send();
    writeFileSync(jobFile("events.jsonl"), '{"seq":1,"type":"done"}\n');
    await clean(context(), recordOf({ hf_output_repo_name: "me/tuned" }, "Settled"), never, 0);
    expect(told()[0].args).to.include.members(["upload", "me/tuned", jobFile("published")]);
    expect(told()[0].input).to.deep.equal({ hf_api_token: "hf_token" });
    expect(readdirSync(jobFile("."))).to.deep.equal(["events.jsonl"]);
  });

  it("uploads nothing that has not been paid for", async () => {
    await send();
    for (const chain of ["Lapsed", "Expired", "Failed", "Cancelled", "Slashed"])
      await clean(context(), recordOf({ hf_output_repo_name: "me/tuned" }, chain), never, 0);
    expect(existsSync(join(root, "told.jsonl"))).to.equal(false);
  });

  it("warns of an upload that failed, and ends the task all the same", async () => {
    await send();
    writeFileSync(jobFile("events.jsonl"), '{"seq":7,"type":"done"}\n');
    await clean(context(), recordOf({ hf_output_repo_name: "no/model" }, "Settled"), never, 0);
    const last = JSON.parse(
      readFileSync(jobFile("events.jsonl"), "utf8").trim().split("\n").at(-1)!,
    );
    expect(last).to.include({ seq: 8, type: "warning" });
    expect(last.message).to.match(/^The model was not uploaded to no\/model: The hub has no/);
  });
});
