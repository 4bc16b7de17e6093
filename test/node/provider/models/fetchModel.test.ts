import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { FastifyInstance } from "fastify";
import { after, before, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { Catalogue, hashModel } from "../../../../provider/models/Catalogue.ts";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { packDirectory } from "../../../helpers/packDirectory.ts";
import { WIDE_LIMITS } from "../../sdk/storage/storageNode.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const PYTHON = join(ROOT, ".venv/bin/python");
const ENVIRONMENT = { PATH: process.env.PATH!, PYTHONPATH: join(ROOT, "provider/trainer") };
const silent = pino({ level: "silent" });

describe("models that are stored elsewhere", () => {
  let root: string;
  let storage: FastifyInstance;
  let storageUrl: string;
  let models: string;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "anneal-fetch-"));
    execFileSync(PYTHON, ["-m", "anneal_trainer.tiny_models", join(root, "tiny")], {
      env: ENVIRONMENT,
    });
    storage = await createStorageServer({ directory: join(root, "blobs"), limits: WIDE_LIMITS });
    await storage.listen({ host: "127.0.0.1", port: 0 });
    storageUrl = `http://127.0.0.1:${(storage.server.address() as AddressInfo).port}`;
  });
  after(async () => {
    await storage.close();
    rmSync(root, { recursive: true });
  });
  beforeEach(() => {
    models = mkdtempSync(join(root, "models-"));
  });

  const read = (python = PYTHON) =>
    Catalogue.read(models, {
      maxDatasetBytes: 2 ** 30,
      log: silent,
      cache: {
        directory: join(models, ".cache"),
        storageUrl,
        online: { python, environment: ENVIRONMENT },
        maxBytes: 2 ** 30,
        signal: new AbortController().signal,
      },
    });
  const addSheet = (name: string, source: unknown) => {
    mkdirSync(join(models, name));
    writeFileSync(join(models, name, "anneal.json"), JSON.stringify({ source }));
  };
  const store = async (directory: string) => {
    const archive = join(models, ".model.zip");
    await packDirectory(directory, archive, "model");
    const { root: stored } = await upload(storageUrl, archive, {});
    return stored;
  };

  it("are fetched from the storage, and are the same model as beside the manifest", async () => {
    addSheet("far", await store(join(root, "tiny/tiny-qwen2")));
    const [model] = (await read()).models;
    expect(model).to.include({ name: "far", kind: "causal-lm" });
    expect(model!.hash).to.equal(await hashModel(join(root, "tiny/tiny-qwen2")));
    expect(readdirSync(join(models, ".cache")).length).to.equal(1);
  });

  it("are fetched once: a restarted daemon needs no network", async () => {
    addSheet("far", await store(join(root, "tiny/tiny-qwen2")));
    const first = await read();
    expect((await read("/nowhere/python")).hash).to.equal(first.hash);
  });

  it("are left out if they contain no model, without a trace in the cache", async () => {
    mkdirSync(join(models, ".empty"));
    writeFileSync(join(models, ".empty/config.json"), "{}");
    addSheet("broken", await store(join(models, ".empty")));
    addSheet("missing", `0x${"00".repeat(32)}`);
    addSheet("strange", { repository: "../../etc", revision: "main" });
    expect((await read()).models).to.deep.equal([]);
    expect(readdirSync(join(models, ".cache"))).to.deep.equal([]);
  });

  it("are fetched from a hub at the revision that the manifest names", async () => {
    const standIn = join(models, ".python");
    const tiny = join(root, "tiny/tiny-distilbert");
    writeFileSync(
      standIn,
      `#!/bin/sh\necho "$@" > ${models}/.told\nwhile [ "$1" != --to ]; do shift; done\ncp -r ${tiny} "$2"\necho '{"commit":"abc"}'\n`,
      { mode: 0o755 },
    );
    addSheet("hub", { repository: "distilbert/distilbert-base-uncased", revision: "12040ac" });
    const [model] = (await read(standIn)).models;
    expect(model).to.include({ name: "hub", kind: "text-classification" });
    const told = readFileSync(join(models, ".told"), "utf8");
    expect(told).to.include("--repository distilbert/distilbert-base-uncased");
    expect(told).to.include("--revision 12040ac");
  });

  it("do not depend on files beside their manifest", async () => {
    addSheet("far", await store(join(root, "tiny/tiny-qwen2")));
    writeFileSync(join(models, "far/model.safetensors"), "something else");
    const [model] = (await read()).models;
    expect(model!.hash).to.equal(await hashModel(join(root, "tiny/tiny-qwen2")));
    expect(existsSync(join(model!.directory, "anneal.json"))).to.equal(false);
  });
});
