import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { Root } from "../../../../sdk/ids.ts";
import { download } from "../../../../sdk/storage/download.ts";
import { rootOfBytes } from "../../../../sdk/storage/tree/RootHasher.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { residentPeak } from "../../../helpers/residentPeak.ts";

const MIB = 2 ** 20;
const CONNECTIONS = 2_040;
const MAX_RESIDENT = 512 * MIB;

/** A storage node in its own process, and malicious clients from many addresses of this machine. */
describe("storage node under load", () => {
  let folder: string;
  let child: ChildProcess;
  let port: number;
  let sockets: Socket[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-load-"));
    const script = join(import.meta.dirname, "servingChild.ts");
    child = spawn(process.execPath, [script, join(folder, "node")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: child.stdout! }), "line");
    port = Number(line);
    sockets = [];
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    child.kill("SIGKILL");
    await once(child, "close");
    await rm(folder, { recursive: true });
  });

  /** Opens a connection from one of 16 addresses, sends the given bytes, and reads nothing of the answer. */
  async function open(number: number, head: string, body = 0): Promise<void> {
    const localAddress = `127.0.0.${2 + (number % 16)}`;
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    sockets.push(socket);
    socket.on("error", () => {}); // disconnected, as expected
    await once(socket, "connect").catch(() => {});
    socket.write(`${head}\r\nHost: x\r\n\r\n`);
    if (body > 0) socket.write(Buffer.alloc(body, 1));
  }

  const put = (path: string, length: number) =>
    `PUT ${path} HTTP/1.1\r\nContent-Type: application/octet-stream\r\nContent-Length: ${length}`;

  /** What would fill the memory of a node that trusts its clients. */
  function attacks(root: Root): ((number: number) => Promise<void>)[] {
    const call = `POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: ${8 * MIB}`;
    return [
      (number) => open(number, `GET /blobs/${root} HTTP/1.1`),
      (number) => open(number, put(`/uploads/${root}?size=1`, 12.8e6), MIB),
      (number) => open(number, put(`/uploads/${root}/segments/0`, 4 * MIB), 200_000),
      (number) => open(number, put(`/uploads/${root}?size=${2 ** 30}`, 131_072), 131_071),
      (number) => open(number, call, MIB),
    ];
  }

  it("stays below 512 MiB with 2,048 slow connections, and serves an honest client beside them", async function () {
    if (process.platform !== "linux") {
      console.log("      SKIPPED: the peak of memory is read from /proc.");
      this.skip();
    }
    const url = `http://127.0.0.1:${port}`;
    const path = join(folder, "blob");
    await writeFile(path, randomBytes(40 * MIB));
    const { root } = await upload(url, path);
    const under = rootOfBytes(randomBytes(5 * MIB));
    await fetch(`${url}/uploads/${under.root}?size=${under.size}`, {
      method: "PUT",
      headers: { "content-type": "application/octet-stream" },
      body: Buffer.from(under.segmentRoots),
    });
    const [stalledRead, ...others] = attacks(root);
    const kinds = [stalledRead!, ...others.map((_, index) => attacks(under.root)[index + 1]!)];
    for (let number = 0; number < CONNECTIONS; number++)
      await kinds[number % kinds.length]!(number);

    const honest = join(folder, "honest");
    await writeFile(honest, randomBytes(3 * MIB));
    const sent = await upload(url, honest);
    await download(url, sent.root, join(folder, "back"));
    expect((await readFile(join(folder, "back"))).equals(await readFile(honest))).to.equal(true);

    const peak = residentPeak(child.pid!);
    console.log(`      peak: ${Math.round(peak / MIB)} MiB`);
    expect(peak).to.be.below(MAX_RESIDENT);
  });
});
