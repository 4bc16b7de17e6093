import type { Client } from "../../sdk/client.ts";
import * as order from "../../sdk/order/sendApiTokens.ts";
import type { SendSecretsParameters } from "../../sdk/task/sendSecrets.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** Sends the provider the API tokens of a task, if there are any, and says so. They must not be on chain. */
export async function sendApiTokens(
  client: Client,
  tokens: SendSecretsParameters,
  terminal: Terminal,
): Promise<void> {
  if (Object.keys(tokens.secrets).length === 0) return;
  await order.sendApiTokens(client, tokens);
  terminal.say("Sent your API tokens to the provider, encrypted so that only it can read them.");
}
