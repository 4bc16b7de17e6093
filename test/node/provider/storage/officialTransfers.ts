import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { FastifyInstance } from "fastify";
import { after, before, describe, it } from "mocha";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { parseRoot } from "../../../../sdk/ids.ts";
import { download } from "../../../../sdk/storage/download.ts";
import { rootOfFile } from "../../../../sdk/storage/root.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { type FlowChain, startFlowChain } from "../../../helpers/flowChain.ts";
import {
  type OfficialClient,
  officialBinary,
  officialSdk,
} from "../../../helpers/officialClients.ts";
import { skip } from "../../../helpers/skip.ts";
import { WIDE_LIMITS } from "../../sdk/storage/storageNode.ts";

const MIB = 2 ** 20;

/** 0G's own clients, unmodified, against the embedded node, with files of these sizes in bytes. */
export function officialTransfers(sizes: readonly number[]): void {
  let chain: FlowChain;
  let node: FastifyInstance;
  let storageUrl: string;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-zgs-"));
    chain = await startFlowChain();
    const directory = join(folder, "node");
    const submissions = chain.follow();
    node = await createStorageServer({ directory, limits: WIDE_LIMITS, submissions });
    storageUrl = await node.listen({ host: "127.0.0.1", port: 0 });
  });

  after(async () => {
    await node?.close();
    await chain?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function makeFile(name: string, size: number) {
    const path = join(folder, name);
    const bytes = randomBytes(size);
    await writeFile(path, bytes);
    return { path, bytes, root: (await rootOfFile(path)).root };
  }

  /** Uploads and downloads one file; the wallet may have no other pending upload. */
  async function goesThrough(client: OfficialClient, size: number, account: number) {
    const { path, bytes, root } = await makeFile(`${client.name}-${size}`, size);
    const { rpcUrl, accounts } = chain;
    const { privateKey } = accounts[account]!;
    const what = `${client.name}, ${size} bytes`;
    expect(await client.upload(path, { storageUrl, rpcUrl, privateKey }), what).to.equal(root);
    await download(storageUrl, root, `${path}-ours`);
    expect((await readFile(`${path}-ours`)).equals(bytes), what).to.equal(true);
    await comesBack(client, root, bytes, path, what);
  }

  async function comesBack(
    client: OfficialClient,
    root: string,
    bytes: Buffer,
    path: string,
    what: string,
  ) {
    for (const withProof of [false, true]) {
      const target = `${path}-${withProof}`;
      await client.download(root, target, storageUrl, withProof);
      expect((await readFile(target)).equals(bytes), `${what}, proof ${withProof}`).to.equal(true);
      await rm(target);
    }
  }

  for (const client of [officialSdk, officialBinary]) {
    describe(client.name, () => {
      before(function () {
        if (client.missing === null) return;
        skip(this, `${client.name}: ${client.missing}.`);
      });

      it(`uploads and downloads, with proof and without, files of up to ${sizes.at(-1)} bytes`, async () => {
        await Promise.all(sizes.map((size, index) => goesThrough(client, size, index + 1)));
      });

      it("sends and pays for nothing that the node already has", async () => {
        const { path, bytes, root } = await makeFile(`${client.name}-twice`, MIB);
        expect((await upload(storageUrl, path)).root).to.equal(root);
        const { rpcUrl, accounts, provider } = chain;
        const { address, privateKey } = accounts[1]!;
        const sent = await provider.getTransactionCount(address);
        await client.upload(path, { storageUrl, rpcUrl, privateKey });
        expect(await provider.getTransactionCount(address)).to.equal(sent);
        await comesBack(client, parseRoot(root), bytes, path, "what our own client uploaded");
      });
    });
  }
}
