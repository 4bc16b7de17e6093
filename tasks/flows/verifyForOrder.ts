import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Service } from "../../sdk/service/Service.ts";
import {
  type VerifiedProvider,
  type VerifyProviderParameters,
  verifyProvider,
} from "../../sdk/service/verifyProvider.ts";
import { isOpen } from "../../sdk/task/listOpenTasks.ts";
import { listTasks } from "../../sdk/task/listTasks.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";

type Wallet = Client & { readonly address: string };

/**
 * Verifies a provider, and that it takes one more task of the user, before anything is counted or uploaded.
 * @throws ProtocolError like verifyProvider; "declined" if the user has as many open tasks as the provider allows.
 */
export async function verifyForOrder(
  client: Wallet,
  { provider, signal }: VerifyProviderParameters,
): Promise<VerifiedProvider> {
  const [verified, open] = await Promise.all([
    verifyProvider(client, { provider, ...(signal && { signal }) }),
    readChain(client, () => client.serving.openTaskCount(client.address, provider)),
  ]);
  if (open >= verified.service.openTasksPerUser) throw await limitError(client, verified.service);
  return verified;
}

async function limitError(
  client: Wallet,
  { provider, openTasksPerUser }: Service,
): Promise<ProtocolError> {
  const tasks = (await listTasks(client, { user: client.address, provider })).filter(isOpen);
  const names = tasks.map(({ id, progress }) => `${formatTaskId(id)} (${progress})`);
  const newest = tasks.at(-1);
  return new ProtocolError(
    "declined",
    `You have ${tasks.length === 1 ? "an open task" : `${tasks.length} open tasks`} at ${provider}, which allows ${openTasksPerUser} at a time: ${names.join(", ")}.`,
    "See what it waits for",
    newest && { next: { verb: "getTask", parameters: { id: newest.id } } },
  );
}
