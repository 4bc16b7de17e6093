/**
 * The client: createClient combines a chain, a storage endpoint and, for sending or signing, a key. Every verb takes
 * the client as its first argument. Verbs that change the chain build a Call, which `send` sends.
 */

export type { IFineTuningServing } from "../types/ethers-contracts/interfaces/IFineTuningServing.ts";
export type { ILedger } from "../types/ethers-contracts/interfaces/ILedger.ts";
export * from "./account/index.ts";
export * from "./client.ts";
export * from "./deliverable/index.ts";
export * from "./deployment.ts";
export * from "./errors.ts";
export type { Conversion, ForeignFile } from "./ForeignFile.ts";
export * from "./ids.ts";
export * from "./NextAction.ts";
export * from "./order/index.ts";
export * from "./parseAddress.ts";
export type { FailoverProvider } from "./rpc/FailoverProvider.ts";
export * from "./service/index.ts";
export * from "./task/index.ts";
export * from "./taskIdOf.ts";
export * from "./transaction/Call.ts";
export * from "./transaction/send.ts";
export * from "./units.ts";
