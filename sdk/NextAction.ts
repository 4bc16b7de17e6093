import type { ForeignFile } from "./ForeignFile.ts";

/** The verbs that an error can suggest, each with the parameters that are known. Ids are task ids. */
export interface SuggestedVerbs {
  readonly listServices: undefined;
  readonly fetchCatalogue: undefined;
  readonly getAccount: undefined;
  readonly getSubAccount: { readonly provider: string };
  /** Neuron, as in `deposit`. */
  readonly openAccount: { readonly amount: bigint };
  readonly deposit: { readonly amount: bigint };
  /** Neuron. */
  readonly authorize: { readonly allowance: bigint };
  readonly updateService: { readonly accepting?: boolean };
  readonly countDataset: undefined;
  /** The caller's tasks at this provider, or at all providers if none is given. */
  readonly listTasks: { readonly provider?: string };
  readonly getTask: { readonly id: `0x${string}` };
  /** Either the task, or the provider that it was ordered from. */
  readonly cancelTask: { readonly id: `0x${string}` } | { readonly provider: string };
  readonly streamTask: { readonly id: `0x${string}` };
  readonly downloadDeliverable: { readonly id: `0x${string}` };
  readonly acknowledge: { readonly id: `0x${string}` };
  readonly openDeliverable: { readonly id: `0x${string}` };
}

export type SuggestedVerb = keyof SuggestedVerbs;

/** Calls a verb of the client. */
export type NextCall = {
  readonly [Verb in SuggestedVerb]: SuggestedVerbs[Verb] extends undefined
    ? { readonly verb: Verb }
    : { readonly verb: Verb; readonly parameters: SuggestedVerbs[Verb] };
}[SuggestedVerb];

/**
 * An option of createClient. `chain` means that the endpoint and the deployment are for different chains; `certificate`
 * means a certificate authority that the process does not trust.
 */
export type Setting =
  | "rpcUrl"
  | "chain"
  | "certificate"
  | "deployment"
  | "privateKey"
  | "storageUrl";

/** A parameter of the verb that failed. */
export type AdjustedParameter = "force" | "gasPrice" | "columns";

/**
 * What to do about an error, for a program: call a verb, create the client with another setting, call the same verb
 * with another value for a parameter, make a dataset from a file, or inspect the original error. The error's hint says the same for people.
 */
export type NextAction =
  | NextCall
  | { readonly setting: Setting }
  | { readonly parameter: AdjustedParameter }
  | { readonly prepare: { readonly path: string; readonly foreign: ForeignFile } }
  | { readonly inspect: "cause" };
