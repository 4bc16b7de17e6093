/** The verbs that an error suggests, each with those of its parameters that are known. Ids are those of tasks. */
export interface SuggestedVerbs {
  readonly listServices: undefined;
  readonly fetchCatalogue: undefined;
  readonly getAccount: undefined;
  readonly getSubAccount: { readonly provider: string };
  /** Neuron, as in `deposit`. */
  readonly openAccount: { readonly amount: bigint };
  readonly deposit: { readonly amount: bigint };
  readonly updateService: { readonly accepting?: boolean };
  readonly countDataset: undefined;
  /** The caller's tasks; at all providers without one. */
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
 * What the client is given when it is created. `chain` is the pair of endpoint and deployment, which do not belong
 * together; `certificate` is an authority that the process trusts.
 */
export type Setting =
  | "rpcUrl"
  | "chain"
  | "certificate"
  | "deployment"
  | "privateKey"
  | "storageUrl";

/** A parameter of the verb that failed. */
export type AdjustedParameter = "force" | "gasPrice";

/**
 * What to do about an error, for a program; the error's hint says it in a sentence: call a verb, create the client with
 * another setting, call the same verb with another value of a parameter, or look at the original error.
 */
export type NextAction =
  | NextCall
  | { readonly setting: Setting }
  | { readonly parameter: AdjustedParameter }
  | { readonly inspect: "cause" };
