import { expect } from "chai";
import { describe, it } from "mocha";
import { skip } from "../../../../helpers/skip.ts";
import { compareTemplates, whyNoCorpus } from "./corpus.ts";

describe("chat templates of real models", () => {
  it("are the same text and the same rows to client, trainer and transformers", function () {
    const reason = whyNoCorpus();
    if (reason !== undefined) return skip(this, reason);
    const { templates, rendered, rows, disagreements } = compareTemplates();
    expect(disagreements).to.deep.equal([]);
    // Most conversations suit most templates: both halves of the claim were tested.
    expect(templates).to.be.at.least(120);
    expect(rendered).to.be.at.least(templates * 12);
    expect(rows).to.be.at.least(templates * 12);
  });
});
