/** Datasets: checking, counting and conversion. */

export * from "./checking/checkDataset.ts";
export * from "./checking/readRows.ts";
export * from "./convertDataset.ts";
export * from "./counting/countDataset.ts";
export * from "./formats/DatasetRow.ts";
export * from "./formats/rules.ts";
export * from "./tokenizer/createTokenCounter.ts";
export type { RowTreatment } from "./tokenizer/measureRow.ts";
export type { TokenizerDocument } from "./tokenizer/TokenizerDocument.ts";
export type {
  AddedToken,
  ModelConfig,
  NormalizerConfig,
  PatternConfig,
  PostProcessorConfig,
  PreTokenizerConfig,
  SplitBehavior,
  TokenizerJson,
} from "./tokenizer/TokenizerJson.ts";
