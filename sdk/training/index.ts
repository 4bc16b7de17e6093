/** Hyper-parameters: read, described, written as the chain keeps them. */

export { HYPERPARAMETERS, type HyperparameterDescription } from "./describeHyperparameters.ts";
export * from "./Hyperparameters.ts";
export * from "./parseHyperparameters.ts";
export * from "./readConfig.ts";
