/** Keys, the encrypted container, and the proof of misbehaviour. */

export type { Content } from "../storage/files/content.ts";
export * from "./blind.ts";
export * from "./chunkProof.ts";
export type { DatasetHeader } from "./DatasetCipher.ts";
export * from "./geometry.ts";
export * from "./misbehaviourProof.ts";
export * from "./open.ts";
export * from "./openDataset.ts";
export * from "./openSecrets.ts";
export { PageMismatchError } from "./PageMismatchError.ts";
export type { SealedFile } from "./SealedFile.ts";
export * from "./seal.ts";
export * from "./sealDataset.ts";
export * from "./sealSecrets.ts";
export type { Secrets } from "./secrets.ts";
export type { ExchangeKeys } from "./segmentKey.ts";
export * from "./userKey.ts";
