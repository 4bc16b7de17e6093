import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { keccak256, toUtf8Bytes } from "ethers";
import { after, before, describe, it } from "mocha";
import { type CatalogueModel, fetchCatalogue } from "../../../../sdk/service/fetchCatalogue.ts";
import { fetchTokenizer } from "../../../../sdk/service/fetchTokenizer.ts";
import { fetchUsage } from "../../../../sdk/service/fetchUsage.ts";
import { findModel } from "../../../../sdk/service/findModel.ts";
import type { Service } from "../../../../sdk/service/Service.ts";
import { type FakeProviderApi, startFakeProviderApi } from "../../../helpers/fakeProviderApi.ts";
import { RATES } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";

const TOKENIZER = `{"tokenizer": {"version": "1.0"}, "tokenizerConfig": {}}`;

const model: CatalogueModel = {
  name: "tiny-qwen2",
  kind: "causal-lm",
  description: "A tiny model with random weights.",
  hash: `0x${"22".repeat(32)}`,
  predefined: true,
  tokenizerHash: keccak256(toUtf8Bytes(TOKENIZER)),
  rates: RATES,
};

describe("sdk/service catalogue and models", () => {
  let api: FakeProviderApi;
  let directory: string;
  before(async () => {
    api = await startFakeProviderApi();
    directory = await mkdtemp(join(tmpdir(), "anneal-catalogue-"));
  });
  after(async () => {
    await api.close();
    await rm(directory, { recursive: true });
  });

  const service = (catalogue = "") =>
    ({
      provider: `0x${"33".repeat(20)}`,
      url: api.url,
      catalogueHash: keccak256(toUtf8Bytes(catalogue)),
    }) as Service;

  const fetchModels = (models: unknown[]) => {
    const catalogue = JSON.stringify({ models });
    api.routes["/v1/models"] = () => catalogue;
    return fetchCatalogue(service(catalogue));
  };

  it("refuses models with names that are paths, unknown kinds or malformed hashes", async () => {
    const wrong = [
      { ...model, name: "../../etc/passwd" },
      { ...model, name: "" },
      { ...model, kind: "image" },
      { ...model, hash: "0x12" },
      { ...model, description: "x".repeat(2_001) },
    ];
    for (const entry of wrong) {
      const error = await rejection(fetchModels([model, entry]));
      expect(error.message, JSON.stringify(entry)).to.contain("answers wrongly");
    }
  });

  it("removes terminal control characters from descriptions", async () => {
    const { models } = await fetchModels([{ ...model, description: "a\u001b]0;title\u0007b" }]);
    expect(models[0]!.description).to.equal("a ]0;title b");
  });

  it("finds models by name and suggests the closest for a misspelling", async () => {
    const catalogue = { models: [model, { ...model, name: "tiny-distilbert" }] };
    expect(findModel(catalogue, "tiny-qwen2")).to.equal(model);
    const near = await rejection(() => findModel(catalogue, "tiny-qven2"));
    expect(near.code).to.equal("usage");
    expect(near.hint).to.equal('Did you mean "tiny-qwen2"?');
    const far = await rejection(() => findModel(catalogue, "gpt-9000-ultra"));
    expect(far.hint).to.contain("tiny-qwen2, tiny-distilbert");
    expect(far.next).to.deep.equal({ verb: "fetchCatalogue" });
    const none = await rejection(() => findModel({ models: [] }, "x"));
    expect(none.hint).to.contain("none");
  });

  it("fetches the tokenizer that the catalogue names, and no other", async () => {
    const path = `/v1/models/${model.name}/tokenizer`;
    api.routes[path] = () => TOKENIZER;
    expect(await fetchTokenizer(service(), { model })).to.deep.equal({
      tokenizer: { version: "1.0" },
      tokenizerConfig: {},
    });
    api.routes[path] = () => TOKENIZER.replace("1.0", "1.1");
    const error = await rejection(fetchTokenizer(service(), { model }));
    expect(error.code).to.equal("integrity");
    expect(error.message).to.contain("a different tokenizer for tiny-qwen2");
  });

  it("refuses a usage archive that is not a zip file", async () => {
    const path = `/v1/models/${model.name}/usage`;
    api.routes[path] = () => "<html>no archive</html>";
    const error = await rejection(fetchUsage(service(), { model }));
    expect(error.code).to.equal("integrity");
    api.routes[path] = () => "PK\x05\x06 the rest";
    const bytes = await fetchUsage(service(), { model });
    expect(Buffer.from(bytes).toString("latin1")).to.equal("PK\x05\x06 the rest");
  });
});
