import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { checkDataset } from "../../../sdk/dataset/checking/checkDataset.ts";
import { DATASET_KINDS } from "../../../sdk/dataset/formats/DatasetRow.ts";
import { fileErrorOf } from "../../../sdk/fileErrors.ts";
import { writeAtomically } from "../../../sdk/storage/files/publishFile.ts";
import { rejection } from "../../helpers/rejection.ts";
import { temporaryFolder } from "./dataset/temporaryFolder.ts";

describe("errors of files", () => {
  const files = temporaryFolder();

  it("name the file and what is wrong with it, whatever the operating system says", async () => {
    const at = (name: string) => join(files.folder, name);
    await writeFile(at("file"), "x");
    await mkdir(at("folder"));
    await symlink(at("loop"), at("loop"));
    for (const [path, reason] of [
      [at("none"), "does not exist"],
      [at("file/none"), "does not exist"],
      [at("folder"), "is a folder, not a file"],
      [at("loop"), "is a link that leads back to itself"],
      [at("x".repeat(300)), "has too long a name"],
    ] as const) {
      const raw = await readFile(path).catch((error) => error);
      const error = fileErrorOf(Object.assign(raw, { path }));
      expect(error).to.include({ code: "usage", message: `${path} ${reason}.` });
    }
    expect(fileErrorOf(new Error("unrelated"))).to.equal(undefined);
  });

  it("name the output, not the temporary file, if it cannot be created", async () => {
    const path = join(files.folder, "none", "model.zip");
    const { message } = await rejection(writeAtomically(path, (part) => writeFile(part, "x")));
    expect(message).to.equal(`${path} cannot be written: its folder does not exist.`);
  });

  it("say that a dataset does not exist before they say what its name should be", async () => {
    for (const name of ["none.txt", "none.zip", "none.jsonl", "none.parquet", "none"]) {
      const path = join(files.folder, name);
      for (const kind of DATASET_KINDS) {
        const { message } = await rejection(checkDataset(path, { kind }));
        expect(message).to.equal(`${path} does not exist.`);
      }
    }
  });
});
