import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { hexlify } from "ethers";
import { afterEach, beforeEach, describe, it } from "mocha";
import { EncryptionKey } from "../../../provider/EncryptionKey.ts";
import { EncryptionKeys, KEYS_FILE, openEncryptionKeys } from "../../../provider/EncryptionKeys.ts";
import type { ProviderError } from "../../../provider/errors.ts";

const [OLD, NEW] = [EncryptionKey.generate(), EncryptionKey.generate()];
const lineOf = ({ secret }: EncryptionKey) => hexlify(secret).slice(2);

describe("EncryptionKeys", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "anneal-keys-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const path = () => join(directory, KEYS_FILE);
  const open = (configured: EncryptionKey | null = null, makeFirst = EncryptionKey.generate) =>
    openEncryptionKeys({ directory, configured, makeFirst });
  const publicKeys = async (configured: EncryptionKey | null = null) =>
    (await open(configured)).all.map(({ publicKey }) => publicKey);

  it("makes one key, which only this user can read, and keeps it", async () => {
    const [made] = await publicKeys();
    expect(await publicKeys()).to.deep.equal([made]);
    expect(statSync(path()).mode & 0o777).to.equal(0o600);
  });

  it("makes the key that an older version had derived, if it has to", async () => {
    const keys = await open(null, () => OLD);
    expect(keys.current.publicKey).to.equal(OLD.publicKey);
    expect(await publicKeys()).to.deep.equal([OLD.publicKey]);
  });

  it("is rotated by another line: the newest key is current, older ones remain", async () => {
    await open(null, () => OLD);
    appendFileSync(path(), `${lineOf(NEW)}\n`);
    expect(await publicKeys()).to.deep.equal([NEW.publicKey, OLD.publicKey]);
  });

  it("prefers a configured key, and writes nothing for it", async () => {
    expect(await publicKeys(NEW)).to.deep.equal([NEW.publicKey]);
    expect(() => readFileSync(path())).to.throw("ENOENT");
    writeFileSync(path(), `0x${lineOf(OLD)}\n\n`);
    expect(await publicKeys(NEW)).to.deep.equal([NEW.publicKey, OLD.publicKey]);
  });

  it("names a line that is not a key, without its content", async () => {
    writeFileSync(path(), `${lineOf(OLD)}\n${lineOf(NEW).slice(1)}\n`);
    const { message, hint } = await open().then(
      () => expect.fail("was opened"),
      (error: ProviderError) => error,
    );
    expect(message).to.equal(`${path()}:2 is not a secp256k1 key.`);
    expect(`${message}${hint}`).not.to.include(lineOf(NEW).slice(1, 20));
  });

  it("opens with the key that fits, and reports the current key's error if none does", () => {
    const keys = new EncryptionKeys(NEW, OLD);
    const sealed = OLD.protect(new Uint8Array([7]), "for a test");
    expect(keys.open((key) => key.unprotect(sealed, "for a test"))).to.deep.equal(
      new Uint8Array([7]),
    );
    const fail = (key: EncryptionKey) => {
      throw new Error(key === NEW ? "current" : "older");
    };
    expect(() => keys.open(fail)).to.throw("current");
  });
});
