import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { type SendSecretsParameters, sendSecrets } from "../task/sendSecrets.ts";

/**
 * Sends the provider the API tokens of a task that was just ordered, if there are any.
 * @throws ProtocolError like sendSecrets, saying that the task exists.
 */
export async function sendApiTokens(client: Client, tokens: SendSecretsParameters): Promise<void> {
  if (Object.keys(tokens.secrets).length === 0) return;
  await sendSecrets(client, tokens).catch((error) => {
    throw tokensNotSentError(error, tokens.id);
  });
}

function tokensNotSentError(error: unknown, id: TaskId): unknown {
  if (!(error instanceof ProtocolError)) return error;
  return new ProtocolError(
    error.code,
    `Task ${formatTaskId(id)} was created, but its API tokens did not reach the provider: ${error.message}`,
    "Order the same again to send them, or cancel the task before it starts.",
    { cause: error, next: { verb: "cancelTask", parameters: { id } } },
  );
}
