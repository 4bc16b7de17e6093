/** Content by its root hash. */

export * from "./download.ts";
export * from "./exists.ts";
export * from "./root.ts";
export * from "./transfer/TransferOptions.ts";
export * from "./upload.ts";
export * from "./zerog/payerOf.ts";
