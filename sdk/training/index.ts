/** Hyper-parameters: parsing, descriptions, and the canonical form on chain. */

export { HYPERPARAMETERS, type HyperparameterDescription } from "./describeHyperparameters.ts";
export * from "./Hyperparameters.ts";
export * from "./parseHyperparameters.ts";
export * from "./readConfig.ts";
