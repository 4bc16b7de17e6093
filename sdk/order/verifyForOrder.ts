import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId } from "../ids.ts";
import type { Service } from "../service/Service.ts";
import {
  type VerifiedProvider,
  type VerifyProviderParameters,
  verifyProvider,
} from "../service/verifyProvider.ts";
import { isOpen } from "../task/listOpenTasks.ts";
import { listTasks } from "../task/listTasks.ts";
import { readChain } from "../transaction/readChain.ts";

/**
 * Verifies a provider, and that it takes one more task of the user, before anything is counted or uploaded.
 * @throws ProtocolError like verifyProvider; "declined" if the user has as many open tasks as the provider allows.
 */
export async function verifyForOrder(
  client: Client,
  { provider, signal }: VerifyProviderParameters,
): Promise<VerifiedProvider> {
  const user = await requireSigner(client).getAddress();
  const [verified, open] = await Promise.all([
    verifyProvider(client, { provider, ...(signal && { signal }) }),
    readChain(client, () => client.serving.openTaskCount(user, provider)),
  ]);
  if (open >= verified.service.openTasksPerUser)
    throw await limitError(client, user, verified.service);
  return verified;
}

async function limitError(
  client: Client,
  user: string,
  { provider, openTasksPerUser }: Service,
): Promise<ProtocolError> {
  const tasks = (await listTasks(client, { user, provider })).filter(isOpen);
  const names = tasks.map(({ id, progress }) => `${formatTaskId(id)} (${progress})`);
  const newest = tasks.at(-1);
  return new ProtocolError(
    "declined",
    `You have ${tasks.length === 1 ? "an open task" : `${tasks.length} open tasks`} at ${provider}, which allows ${openTasksPerUser} at a time: ${names.join(", ")}.`,
    "See what it waits for",
    newest && { next: { verb: "getTask", parameters: { id: newest.id } } },
  );
}

/**
 * Refuses a service whose offer on chain says that it accepts no orders.
 * @throws ProtocolError "declined"
 */
export function requireAccepting({ accepting, provider }: Service): void {
  if (accepting) return;
  throw new ProtocolError(
    "declined",
    `${provider} does not accept tasks at the moment.`,
    "Choose another provider.",
    { next: { verb: "listServices" } },
  );
}
