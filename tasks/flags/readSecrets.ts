import { ProtocolError } from "../../sdk/errors.ts";
import { type Secrets, SecretsSchema } from "../../sdk/exchange/secrets.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import type { Environment } from "../Environment.ts";

/** The environment variables of API tokens, and the flags of other command lines that would expose them. */
const SOURCES = { WANDB_API_KEY: "--wandb-api-key", HF_TOKEN: "--hf-api-token" } as const;

/**
 * Reads only the API tokens that a job needs: others that are set stay on this machine.
 * @throws ProtocolError "usage" if a required token is missing.
 */
export async function readSecrets(
  config: Hyperparameters,
  environment: Environment,
): Promise<Secrets> {
  const { wandb_project_name, wandb_name, wandb_base_url, from_hf_model, hf_output_repo_name } =
    config;
  const tracks = wandb_project_name ?? wandb_name ?? wandb_base_url;
  const wandbApiKey = tracks && (await environment.secret("WANDB_API_KEY"));
  if (tracks && !wandbApiKey)
    throw missingSecretError("WANDB_API_KEY", "Tracking with Weights & Biases", environment);
  const usesHub = hf_output_repo_name ?? from_hf_model;
  const hfApiToken = usesHub && (await environment.secret("HF_TOKEN"));
  if (hf_output_repo_name && !hfApiToken)
    throw missingSecretError("HF_TOKEN", "Uploading to the hub", environment);
  const secrets = { ...(wandbApiKey && { wandbApiKey }), ...(hfApiToken && { hfApiToken }) };
  if (!SecretsSchema.safeParse(secrets).success) throw invalidTokenError();
  return secrets;
}

/** The value is not shown, as output may be recorded. */
const invalidTokenError = () =>
  new ProtocolError(
    "usage",
    "WANDB_API_KEY or HF_TOKEN is not a valid API token: it has blanks or more than 256 characters.",
    "Set it again; it is not shown here on purpose.",
  );

function missingSecretError(
  name: keyof typeof SOURCES,
  what: string,
  { keepSecret }: Environment,
): ProtocolError {
  const keep = keepSecret(name);
  return new ProtocolError(
    "usage",
    `${what} needs an API token, but ${name} is not set.`,
    `Set ${name} in the environment${keep && `, or store it with: ${keep}`}`,
  );
}

/** @throws ProtocolError "usage" if a secret is in the arguments, where every process on the machine can read it. */
export function refuseSecretFlags(
  flags: { readonly wandbApiKey: string | undefined; readonly hfApiToken: string | undefined },
  environment: Environment,
): void {
  if (flags.wandbApiKey !== undefined) throw secretInArgumentsError("WANDB_API_KEY", environment);
  if (flags.hfApiToken !== undefined) throw secretInArgumentsError("HF_TOKEN", environment);
}

function secretInArgumentsError(
  name: keyof typeof SOURCES,
  { keepSecret }: Environment,
): ProtocolError {
  const keep = keepSecret(name);
  return new ProtocolError(
    "usage",
    `${SOURCES[name]} is refused: flags can be read by every process on this machine, and stay in the shell's history.`,
    `Create a new token, and set ${name} in the environment${keep && ` or with: ${keep}`}`,
  );
}
