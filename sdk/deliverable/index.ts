/** Models: download, acknowledgement, decryption, confirmation and dispute. */

export type { ChunkProof } from "../exchange/chunkProof.ts";
export type { MisbehaviourProof } from "../exchange/misbehaviourProof.ts";
export { PageMismatchError } from "../exchange/PageMismatchError.ts";
export * from "./calls.ts";
export * from "./downloadDeliverable.ts";
export * from "./findMisbehaviour.ts";
export {
  type GetDeliveryParameters,
  getDelivery,
  type KeyedDelivery,
  type PostedDelivery,
} from "./getDelivery.ts";
export * from "./modelFormat.ts";
export * from "./openDeliverable.ts";
export * from "./receiveModel.ts";
export * from "./writeModel.ts";
