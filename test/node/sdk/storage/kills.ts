import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { exists } from "../../../../sdk/storage/exists.ts";
import { rootOfBytes } from "../../../../sdk/storage/tree/RootHasher.ts";
import {
  SEGMENT_BYTES,
  segmentCount,
  segmentLength,
} from "../../../../sdk/storage/tree/segment.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { StorageNode } from "./storageNode.ts";

const TRANSFERRING_CHILD = join(import.meta.dirname, "transferringChild.ts");
const SERVING_CHILD = join(import.meta.dirname, "../../provider/storage/servingChild.ts");

/** Offset of the marks in a partial file. */
const MARKS_AT = 40;

export interface KillOptions {
  /** Number of processes killed in each direction, and of storage nodes. */
  readonly kills: number;
  readonly bytes: number;
  /** Timeout of one test in milliseconds, if longer than usual. */
  readonly timeout?: number;
}

/** Kills transfers at random moments: the file is right or missing, and nothing that was kept is transferred again. */
export function killTransfers({ kills, bytes: size, timeout }: KillOptions): void {
  describe(`transfers killed ${kills} times each`, function () {
    if (timeout !== undefined) this.timeout(timeout);
    const content = pseudoRandom(size);
    const { root } = rootOfBytes(content);
    const digest = createHash("sha256").update(content).digest("hex");
    let directory: string;
    let source: string;
    let target: string;
    let node: StorageNode;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "anneal-kills-"));
      [source, target] = [join(directory, "source"), join(directory, "target")];
      await writeFile(source, content);
    });
    after(() => rm(directory, { recursive: true }));
    beforeEach(async () => {
      node = await StorageNode.start(join(directory, "node"));
    });
    afterEach(() => node.stop());

    it("upload: storage has the right file or none, and stored segments are not sent again", async () => {
      const place = join(directory, "node");
      const part = join(place, "incoming", `${root}.part`);
      const moments = new Moments();
      for (let killed = 0; killed < kills; ) {
        const kept = await keptBytes(part, size);
        const result = await runAndKill(["up", node.url, source], moments);
        if (result === null) killed++;
        else expect(result.sent).to.be.at.most(size - kept); // the node may keep more after a kill
        const isWhole = await exists(node.url, root);
        if (result !== null) expect(isWhole).to.equal(true);
        if (!isWhole) continue;
        expect(await digestOf(join(place, "blobs", root))).to.equal(digest);
        await node.stop();
        await rm(place, { recursive: true });
        node = await StorageNode.start(place);
      }
      const kept = await keptBytes(part, size);
      expect((await upload(node.url, source)).sent).to.be.at.most(size - kept);
    });

    it("download: the file is right or absent, and kept segments are not fetched again", async () => {
      await upload(node.url, source);
      const moments = new Moments();
      for (let killed = 0; killed < kills; ) {
        const kept = await keptBytes(`${target}.part`, size);
        node.answered.length = 0;
        const result = await runAndKill(["down", node.url, target, root], moments);
        if (result === null) {
          killed++;
          if (!(await isThere(target))) continue;
        } else {
          expect(bytesOf(node.segments, size)).to.equal(size - kept);
        }
        expect(await digestOf(target)).to.equal(digest);
        await rm(target);
      }
      await rm(`${target}.part`, { force: true });
      await rm(`${target}.part.have`, { force: true });
    });

    it("storage node: it loses nothing it has confirmed, and never serves a wrong byte", async () => {
      const place = join(directory, "killed-node");
      const part = join(place, "incoming", `${root}.part`);
      const moments = new Moments();
      for (let killed = 0; killed <= kills; killed++) {
        const child = spawnNode(SERVING_CHILD, [place]);
        const url = `http://127.0.0.1:${await firstLine(child)}`;
        let confirmed = 0;
        const onProgress = ({ bytes }: { bytes: number }) => {
          confirmed = bytes;
        };
        const sending = upload(url, source, { onProgress }).catch(() => {});
        await moments.next(sending);
        child.kill("SIGKILL");
        await Promise.all([once(child, "exit"), sending]);
        const isWhole = await isThere(join(place, "blobs", root));
        expect(isWhole ? size : await keptBytes(part, size)).to.be.at.least(confirmed);
        if (isWhole) {
          expect(await digestOf(join(place, "blobs", root))).to.equal(digest);
          await rm(place, { recursive: true });
        }
      }
    });
  });
}

/** When to kill: spread evenly over slightly more than the duration of a transfer, in random order. */
class Moments {
  /** Milliseconds of the longest transfer that was not killed; the first one never is. */
  #longest = 0;
  #turn = 0;

  /** Resolves at the next moment, or when the transfer ends. */
  async next(transfer: Promise<unknown>): Promise<void> {
    const began = performance.now();
    const over = new AbortController();
    const ended = transfer.then(() => {
      if (over.signal.aborted) return;
      this.#longest = Math.max(this.#longest, performance.now() - began);
    });
    if (this.#longest === 0) return ended;
    const moment = ((this.#turn++ * 0.618034) % 1) * this.#longest * 1.2;
    await Promise.race([wait(moment, undefined, { signal: over.signal }), ended]);
    over.abort();
  }
}

/** @returns the transfer's output if it was faster than the kill. */
async function runAndKill(args: string[], moments: Moments): Promise<{ sent: number } | null> {
  const child = spawnNode(TRANSFERRING_CHILD, args);
  const lines: string[] = [];
  createInterface(child.stdout!).on("line", (line) => lines.push(line));
  const ended = once(child, "close");
  await Promise.race([once(child.stdout!, "data"), ended]);
  await moments.next(ended);
  child.kill("SIGKILL");
  await ended;
  return lines.length === 2 ? JSON.parse(lines[1]!) : null;
}

function pseudoRandom(size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761) ^ (i >>> 3);
  return new Uint8Array(words.buffer, 0, size);
}

function spawnNode(script: string, args: string[]): ChildProcess {
  return spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = await once(createInterface(child.stdout!), "line");
  return line;
}

/** Bytes that a partial file says it has. */
async function keptBytes(part: string, size: number): Promise<number> {
  const file = await readFile(`${part}.have`).catch(() => Buffer.alloc(0));
  let sum = 0;
  file.subarray(MARKS_AT).forEach((mark, index) => {
    if (mark === 1) sum += segmentLength(index, size);
  });
  return sum;
}

function bytesOf(segments: readonly string[], size: number): number {
  const indices = segments.map((name) => Number(name.split(" ")[1]));
  expect(new Set(indices).size).to.equal(indices.length);
  expect(indices.every((index) => index < segmentCount(size))).to.equal(true);
  return indices.reduce((sum, index) => sum + segmentLength(index, size), 0);
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: SEGMENT_BYTES })) {
    hash.update(chunk);
  }
  return hash.digest("hex");
}
