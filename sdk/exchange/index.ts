/** Keys, the encrypted container, and the proof that it is not what was promised. */

export * from "./blind.ts";
export * from "./geometry.ts";
export * from "./misbehaviourProof.ts";
export * from "./open.ts";
export * from "./openDataset.ts";
export * from "./openSecrets.ts";
export * from "./seal.ts";
export * from "./sealDataset.ts";
export * from "./sealSecrets.ts";
export * from "./secrets.ts";
export * from "./userKey.ts";
