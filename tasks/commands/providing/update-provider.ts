import { ProtocolError } from "../../../sdk/errors.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { updateService } from "../../../sdk/service/calls.ts";
import { getService } from "../../../sdk/service/getService.ts";
import type { ServiceTerms } from "../../../sdk/service/Service.ts";
import type { Command } from "../../definition.ts";
import { readTerms, type TermsFlags } from "../../flags/readTerms.ts";
import { fetchTerms } from "../../flows/fetchTerms.ts";
import { type OwnerFlags, ownerClient } from "../../flows/ownerClient.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags, TermsFlags, OwnerFlags {
  readonly operator: string | undefined;
  readonly accepting: string | undefined;
}

/**
 * Changes the terms with a flag, and updates operator, key and catalogue from the running daemon. With --operator, the
 * daemon is not asked: its machine may be off, or in the hands of somebody else.
 */
export default (async (flags, terminal, environment) => {
  const client = await ownerClient(flags, environment);
  const service = await getService(client, { provider: client.address });
  const offered = { ...readTerms(flags, service), accepting: readAccepting(flags, service) };
  const { catalogueHash, encryptionKey } = service;
  const provided =
    flags.operator === undefined
      ? await fetchTerms(client, offered.url)
      : { operator: parseAddress(flags.operator), catalogueHash, encryptionKey };
  const terms: ServiceTerms = { ...offered, ...provided };
  const call = updateService(client, { terms });
  const result = await submit(client, call, { terms }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Updated the offer of ${client.address}. Tasks already created keep their terms.`);
  if (terms.operator !== service.operator)
    terminal.say(`${service.operator} can do nothing more; ${terms.operator} works for you now.`);
  terminal.next(environment.command("provider-status"));
  return { ...result, provider: client.address, terms };
}) satisfies Command<Flags>;

function readAccepting({ accepting }: Flags, service: { accepting: boolean }): boolean {
  if (accepting === undefined) return service.accepting;
  if (accepting === "true" || accepting === "false") return accepting === "true";
  throw new ProtocolError("usage", `--accepting is "${accepting}".`, "Use true or false.");
}
