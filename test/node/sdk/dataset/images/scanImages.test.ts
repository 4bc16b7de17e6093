import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { describe, it } from "mocha";
import { ZipFile } from "yazl";
import { checkDataset } from "../../../../../sdk/dataset/checking/checkDataset.ts";
import { temporaryFolder } from "../temporaryFolder.ts";
import { EXAMPLES } from "../trainer.ts";

const IMAGE = readFileSync(join(EXAMPLES, "parts/square.png"));
const IN_PHOTOS = 'The first image is in a class folder in "photos", this file is not.';
const IN_NO_FOLDER = "The file is not in a class folder.";

describe("scanImages", () => {
  const { write } = temporaryFolder();

  /** Labels, and errors as "entry: message", of a zip with one image under all names, or a text if it is a .md. */
  async function check(...names: readonly string[]) {
    const zip = new ZipFile();
    for (const name of names) {
      zip.addBuffer(name.endsWith(".md") ? Buffer.from("# Photos") : IMAGE, name);
    }
    zip.end();
    const path = write(".zip", await buffer(zip.outputStream));
    const { labels, problems } = await checkDataset(path, { kind: "image-classification" });
    const errors = problems.filter(({ severity }) => severity === "error");
    return { labels, errors: errors.map(({ entry, message }) => `${entry}: ${message}`) };
  }

  it("leaves out one top folder around all class folders", async () => {
    expect(
      await check("photos/cats/1.png", "photos/dogs/1.png", "photos/cats/2.png"),
    ).to.deep.equal({
      labels: ["cats", "dogs"],
      errors: [],
    });
  });

  it("names the place of the first image for every image that is elsewhere", async () => {
    const { labels, errors } = await check(
      "photos/cats/1.png",
      "test/cats/2.png",
      "photos/dogs/1.png",
      "dogs/2.png",
      "photos/dogs/small/3.png",
      "4.png",
    );
    expect(labels).to.deep.equal(["cats", "dogs"]);
    expect(errors).to.deep.equal([
      `test/cats/2.png: ${IN_PHOTOS}`,
      `dogs/2.png: ${IN_PHOTOS}`,
      `photos/dogs/small/3.png: ${IN_PHOTOS}`,
      `4.png: ${IN_NO_FOLDER}`,
    ]);
  });

  it("does not take a file that is no image for the first", async () => {
    const { labels, errors } = await check(
      "README.md",
      "photos/README.md",
      "photos/cats/1.png",
      "photos/dogs/1.png",
    );
    expect(labels).to.deep.equal(["cats", "dogs"]);
    expect(errors).to.deep.equal([
      `README.md: ${IN_NO_FOLDER}`,
      "photos/README.md: The file is neither a JPEG nor a PNG image.",
    ]);
  });

  it("says the same of every image without a folder, so that it can be said once", async () => {
    const { errors } = await check("1.png", "2.png", "3.png");
    expect(errors).to.deep.equal(
      ["1.png", "2.png", "3.png"].map((name) => `${name}: ${IN_NO_FOLDER}`),
    );
  });
});
