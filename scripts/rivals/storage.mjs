// One operation of 0G's TypeScript SDK, in its own process (Node 24):
//   storage.mjs root <file>
//   storage.mjs upload <file> <storage URL> <chain RPC URL>      (wallet key in ZG_PRIVATE_KEY)
//   storage.mjs download <file> <storage URL> <root> [--proof]
// Prints one JSON document: the root and the measurements.
import { Indexer, ZgFile } from "@0gfoundation/0g-ts-sdk";
import { JsonRpcProvider, Wallet } from "ethers";
import { measured } from "../bench/measured.ts";

console.log = console.error; // the SDK logs to standard output

const [verb, path, storageUrl, target, flag] = process.argv.slice(2);
await measured({ root, upload, download }[verb]);

async function root() {
  const file = await ZgFile.fromFilePath(path);
  const [tree, error] = await file.merkleTree();
  if (error) throw error;
  await file.close();
  return tree.rootHash();
}

async function upload() {
  const wallet = new Wallet(process.env.ZG_PRIVATE_KEY, new JsonRpcProvider(target));
  const file = await ZgFile.fromFilePath(path);
  const [sent, error] = await new Indexer(storageUrl).upload(file, target, wallet);
  if (error) throw error;
  await file.close();
  return sent.rootHash;
}

async function download() {
  const error = await new Indexer(storageUrl).download(target, path, flag === "--proof");
  if (error) throw error;
  return target;
}
