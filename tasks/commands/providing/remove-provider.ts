import { removeService } from "../../../sdk/service/calls.ts";
import type { Command } from "../../definition.ts";
import { type OwnerFlags, ownerClient } from "../../flows/ownerClient.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

/** Ends the caller's offer and releases their stake. */
export default (async (flags, terminal, environment) => {
  const client = await ownerClient(flags, environment);
  const result = await submit(client, removeService(client), {}, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`${client.address} is no longer a provider. The stake is free in the sub-account.`);
  terminal.next(environment.command("retrieve-fund"));
  return { ...result, provider: client.address };
}) satisfies Command<SendingFlags & OwnerFlags>;
