import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Secrets } from "../../sdk/exchange/secrets.ts";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { sendSecrets } from "../../sdk/task/sendSecrets.ts";
import type { Terminal } from "../terminal/Terminal.ts";

interface TokensToSend {
  readonly service: Service;
  readonly id: TaskId;
  readonly secrets: Secrets;
}

/** Sends the provider the API tokens of a task, if there are any. They must not be on chain. */
export async function sendApiTokens(
  client: Client,
  tokens: TokensToSend,
  terminal: Terminal,
): Promise<void> {
  if (Object.keys(tokens.secrets).length === 0) return;
  await sendSecrets(client, tokens).catch((error) => {
    throw tokensNotSentError(error, tokens.id);
  });
  terminal.say("Sent your API tokens to the provider, encrypted so that only it can read them.");
}

/** The task exists, so the hint says how to continue with it. */
function tokensNotSentError(error: unknown, id: TaskId): unknown {
  if (!(error instanceof ProtocolError)) return error;
  return new ProtocolError(
    error.code,
    `Task ${formatTaskId(id)} was created, but its API tokens did not reach the provider: ${error.message}`,
    "Run the same command again to send them, or cancel the task before it starts.",
    { cause: error, next: { verb: "cancelTask", parameters: { id } } },
  );
}
