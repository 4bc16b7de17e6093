import type { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import type {
  AdjustedParameter,
  NextAction,
  NextCall,
  Setting,
  SuggestedVerb,
  SuggestedVerbs,
} from "../../sdk/NextAction.ts";
import { formatOg } from "../../sdk/units.ts";
import { type Environment, LOCAL } from "../Environment.ts";
import { prepareFile } from "./prepareFile.ts";

/** The hint of an error, with what to type: a complete command line, or the name of a variable or a flag. */
export function hintWithNext({ hint, next }: ProtocolError, environment: Environment): string {
  if (!next) return hint;
  const sentence = hint.replace(/\.$/, "");
  if ("prepare" in next) {
    const { path, foreign } = next.prepare;
    return `${sentence}: ${prepareFile(path, foreign, environment)}`;
  }
  return "verb" in next
    ? `${sentence}: ${environment.command(lineFor(next))}`
    : `${sentence} (${nameFor(next, environment)}).`;
}

/** The command for each verb, without the program's name. Unknown values are placeholders. */
const LINES: { readonly [Verb in SuggestedVerb]: (parameters: SuggestedVerbs[Verb]) => string } = {
  listServices: () => "list-providers",
  fetchCatalogue: () => "list-models",
  getAccount: () => "get-account",
  getSubAccount: ({ provider }) => `get-sub-account --provider ${provider}`,
  openAccount: ({ amount }) => `add-account --amount ${formatOg(amount)}`,
  deposit: ({ amount }) => `deposit --amount ${formatOg(amount)}`,
  authorize: ({ allowance }) => `set-allowance --amount ${formatOg(allowance)}`,
  updateService: ({ accepting }) =>
    accepting === undefined ? "update-provider" : `update-provider --accepting ${accepting}`,
  countDataset: () => "calculate-token --model <MODEL> --dataset-path <PATH> --provider <PROVIDER>",
  listTasks: ({ provider }) =>
    provider === undefined ? "fine-tuning list" : `list-tasks --provider ${provider}`,
  getTask: ({ id }) => `get-task --task ${uuid(id)}`,
  cancelTask: (which) =>
    "id" in which
      ? `cancel-task --task ${uuid(which.id)}`
      : `cancel-task --provider ${which.provider}`,
  streamTask: ({ id }) => `get-log --task ${uuid(id)}`,
  downloadDeliverable: ({ id }) =>
    `acknowledge-model --task ${uuid(id)} --data-path <PATH_TO_SAVE_MODEL> --force`,
  acknowledge: ({ id }) => `acknowledge-model --task ${uuid(id)} --data-path <PATH_TO_SAVE_MODEL>`,
  openDeliverable: ({ id }) =>
    `decrypt-model --task ${uuid(id)} --encrypted-model <PATH_TO_ENCRYPTED_MODEL> --output <MODEL>.zip`,
};

function lineFor(next: NextCall): string {
  const line = LINES[next.verb] as (parameters: unknown) => string;
  return line("parameters" in next ? next.parameters : undefined);
}

const SETTINGS: Readonly<Record<Setting, (environment: Environment) => string>> = {
  rpcUrl: ({ network }) =>
    network === LOCAL
      ? "RPC_ENDPOINT; the local one starts with npm start -- --keep"
      : "RPC_ENDPOINT; several, comma-separated",
  chain: () => "--network and RPC_ENDPOINT",
  certificate: () => "RPC_ENDPOINT and NODE_EXTRA_CA_CERTS",
  // Contracts are deployed from this project's repository, only with Hardhat.
  deployment: ({ network }) =>
    network === LOCAL
      ? "ANNEAL_DEPLOYMENTS, with an RPC_ENDPOINT of its chain; in the repository: npm start -- --keep"
      : `ANNEAL_DEPLOYMENTS, with an RPC_ENDPOINT of its chain; in the repository: npx hardhat deploy --network ${network}`,
  privateKey: ({ keepSecret }) =>
    ["ZG_PRIVATE_KEY", keepSecret("ZG_PRIVATE_KEY")].filter((name) => name !== "").join(", or "),
  storageUrl: () => "STORAGE_ENDPOINT",
};

const FLAGS: Readonly<Record<AdjustedParameter, string>> = {
  force: "--force",
  gasPrice: "--gas-price",
  columns: "--columns prompt=<COLUMN>,completion=<COLUMN>",
};

type NextValue = Exclude<NextAction, NextCall | { readonly prepare: unknown }>;

function nameFor(next: NextValue, environment: Environment): string {
  if ("setting" in next) return SETTINGS[next.setting](environment);
  return "parameter" in next ? FLAGS[next.parameter] : "--show-stack-traces";
}

const uuid = (id: `0x${string}`) => formatTaskId(id as TaskId);
