import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { encryptKeystoreJsonSync, Wallet } from "ethers";
import { after, before, describe, it } from "mocha";
import { readConfig } from "../../../provider/config.ts";

const KEY = `0x${"ab".repeat(32)}`;

describe("keystore", () => {
  let folder: string;
  let path: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "anneal-keystore-"));
    path = join(folder, "provider.json");
    const { address, privateKey } = new Wallet(KEY);
    const cheap = { scrypt: { N: 2, r: 1, p: 1 } };
    writeFileSync(path, encryptKeystoreJsonSync({ address, privateKey }, "open sesame", cheap));
    writeFileSync(join(folder, "passphrase"), "open sesame\n");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is decrypted with the passphrase from a file or the environment", () => {
    const fromFile = { PROVIDER_PASSPHRASE_FILE: join(folder, "passphrase") };
    for (const passphrase of [fromFile, { PROVIDER_PASSPHRASE: "open sesame" }]) {
      expect(readConfig({ PROVIDER_KEYSTORE: path, ...passphrase }).privateKey).to.equal(KEY);
    }
  });

  it("reports what is wrong, without key or passphrase", () => {
    const broken = join(folder, "broken.json");
    writeFileSync(broken, KEY);
    const cases: [NodeJS.ProcessEnv, RegExp][] = [
      [{ PROVIDER_KEYSTORE: path }, /needs a passphrase/],
      [{ PROVIDER_KEYSTORE: path, PROVIDER_PASSPHRASE: "guessed" }, /cannot be opened/],
      [{ PROVIDER_KEYSTORE: broken, PROVIDER_PASSPHRASE: "guessed" }, /cannot be opened/],
      [{ PROVIDER_KEYSTORE: join(folder, "none"), PROVIDER_PASSPHRASE: "x" }, /cannot be read/],
      [{ PROVIDER_KEYSTORE: path, PROVIDER_PASSPHRASE_FILE: folder }, /cannot be read/],
    ];
    for (const [environment, message] of cases) {
      try {
        readConfig(environment);
        expect.fail("was accepted");
      } catch (error) {
        const { message: said, hint, cause } = error as Error & { hint: string };
        expect(said).to.match(message);
        expect(`${said} ${hint} ${String(cause)}`).not.to.match(/guessed|abab/);
      }
    }
  });
});
