/** Content-addressed storage: upload, download and lookup by root hash. */

export * from "./download.ts";
export * from "./exists.ts";
export type { Content } from "./files/content.ts";
export type { FileProgress, OnProgress } from "./files/rootOfContent.ts";
export * from "./root.ts";
export * from "./transfer/TransferOptions.ts";
export type { SegmentList } from "./tree/RootHasher.ts";
export * from "./upload.ts";
export * from "./zerog/payerOf.ts";
