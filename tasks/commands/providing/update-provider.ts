import { ProtocolError } from "../../../sdk/errors.ts";
import { updateService } from "../../../sdk/service/calls.ts";
import { getService } from "../../../sdk/service/getService.ts";
import type { ServiceTerms } from "../../../sdk/service/Service.ts";
import type { Command } from "../../definition.ts";
import { readTerms, type TermsFlags } from "../../flags/readTerms.ts";
import { fetchTerms } from "../../flows/fetchTerms.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";

interface Flags extends SendingFlags, TermsFlags {
  readonly accepting: string | undefined;
}

/** Changes the terms with a flag, and updates key and catalogue from the running daemon. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("provider");
  const service = await getService(client, { provider: client.address });
  const offered = { ...readTerms(flags, service), accepting: readAccepting(flags, service) };
  const terms: ServiceTerms = { ...offered, ...(await fetchTerms(client, offered.url)) };
  const call = updateService(client, { terms });
  const result = await submit(client, call, { terms }, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Updated the offer of ${client.address}. Tasks already created keep their terms.`);
  terminal.next(environment.command("provider-status"));
  return { ...result, provider: client.address, terms };
}) satisfies Command<Flags>;

function readAccepting({ accepting }: Flags, service: { accepting: boolean }): boolean {
  if (accepting === undefined) return service.accepting;
  if (accepting === "true" || accepting === "false") return accepting === "true";
  throw new ProtocolError("usage", `--accepting is "${accepting}".`, "Use true or false.");
}
