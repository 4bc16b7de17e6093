import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, describe, it } from "mocha";
import { readConfig } from "../../../../sdk/training/readConfig.ts";

describe("readConfig", () => {
  const folder = mkdtempSync(join(tmpdir(), "anneal-config-"));
  const path = join(folder, "config.json");
  after(() => rmSync(folder, { recursive: true }));
  const read = (content: string) => {
    writeFileSync(path, content);
    return readConfig(path).catch((error) => error);
  };

  it("reads a template of 0G, with or without a byte order mark", async () => {
    const config = { n_epochs: 1, learning_rate: 0.0002 };
    for (const mark of ["", "\ufeff"]) {
      const content = `${mark}{"num_train_epochs": 1, "learning_rate": 2e-4}`;
      expect(await read(content)).to.deep.equal(config);
    }
  });

  it("names the file in every error", async () => {
    expect(await read('{"n_epochs": 1,}')).to.include({ code: "usage", exitCode: 2 });
    expect((await read('{"n_epochs": 1,}')).message).to.match(/config\.json is not JSON: .*\.$/);
    expect((await read('{"n_epochs": 0}')).message).to.equal(
      `${path}: n_epochs is 0, but must be an integer from 1 to 20.`,
    );
    expect((await read('{"n_epochs":\n }')).message).to.match(/^.+ is not JSON: .+\.$/);
    expect((await read("[]")).message).to.contain(`${path}: `);
  });

  it("says that a file does not exist, or is a folder", async () => {
    const missing = await readConfig(join(folder, "none.json")).catch((error) => error);
    expect(missing.message).to.match(/none\.json does not exist\.$/);
    const directory = await readConfig(folder).catch((error) => error);
    expect(directory.message).to.match(/ is a folder, not a file\.$/);
  });
});
