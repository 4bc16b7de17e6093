import type { Interface } from "ethers";
import type { TypedContractMethod } from "../../types/ethers-contracts/common.ts";
import type { IFineTuningServing } from "../../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { ILedger } from "../../types/ethers-contracts/interfaces/ILedger.ts";
import type { Client } from "../client.ts";
import type { Call } from "./Call.ts";

/** A deeply read-only version of a type, for arguments that are not modified. */
type Unchanged<T> = T extends string | number | bigint | boolean | Uint8Array | Promise<unknown>
  ? T
  : { readonly [Key in keyof T]: Unchanged<T[Key]> };

/** The parameters of each verb of a contract, from its ABI. */
type Verbs<Contract> = {
  readonly [Verb in keyof Contract as Contract[Verb] extends TypedContractMethod<
    infer _Arguments,
    infer _Result,
    infer _Mutability
  >
    ? Verb
    : never]: Contract[Verb] extends TypedContractMethod<
    infer Arguments,
    infer _Result,
    infer _Mutability
  >
    ? Unchanged<Arguments>
    : never;
};
type LedgerVerbs = Verbs<ILedger>;
type ServingVerbs = Verbs<IFineTuningServing>;

/** Encodes a call to the Ledger; `value` is in neuron. */
export function ledgerCall<Verb extends keyof LedgerVerbs & string>(
  client: Client,
  verb: Verb,
  args: LedgerVerbs[Verb],
  value = 0n,
): Call {
  const abi = client.ledger.interface as unknown as Interface;
  return { verb, to: client.ledgerAddress, data: abi.encodeFunctionData(verb, args), value };
}

/** Encodes a call to FineTuningServing. */
export function servingCall<Verb extends keyof ServingVerbs & string>(
  client: Client,
  verb: Verb,
  args: ServingVerbs[Verb],
): Call {
  const abi = client.serving.interface as unknown as Interface;
  return { verb, to: client.servingAddress, data: abi.encodeFunctionData(verb, args), value: 0n };
}
