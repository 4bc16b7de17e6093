/** Datasets: checking, counting, preview and conversion. */

export type { Conversion, ForeignFile } from "../ForeignFile.ts";
export * from "./checking/checkDataset.ts";
export { MAX_GROUPS, MAX_PLACES, type ProblemGroup } from "./checking/ProblemList.ts";
export * from "./checking/readRows.ts";
export * from "./checking/requireFittingRows.ts";
export * from "./conversion/convertDataset.ts";
export type { FieldSources, Plan as ConversionPlan } from "./conversion/planConversion.ts";
export * from "./counting/countDataset.ts";
export * from "./formats/DatasetRow.ts";
export type { Place } from "./formats/problem.ts";
export * from "./formats/rules.ts";
export type { Json } from "./jinja/json.ts";
export { Float } from "./jinja/values.ts";
export * from "./preview/PreviewRow.ts";
export * from "./preview/previewDataset.ts";
export * from "./tokenizer/createTokenCounter.ts";
export type { RowTreatment } from "./tokenizer/maskRow.ts";
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
