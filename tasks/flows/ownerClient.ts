import { type Client, clientFrom } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { parseAddress } from "../../sdk/parseAddress.ts";
import type { Environment } from "../Environment.ts";

/** The flags of commands that a provider's owner calls. */
export interface OwnerFlags {
  /** Owner that sends the call itself: a Safe, or a wallet in a browser. */
  readonly from: string | undefined;
  readonly dryRun: boolean;
}

/**
 * The client of a provider's owner.
 * @throws ProtocolError "usage" for an owner whose key is elsewhere, unless the call is only shown.
 */
export async function ownerClient(
  { from, dryRun }: OwnerFlags,
  environment: Environment,
): Promise<Client & { readonly address: string }> {
  if (from === undefined) return environment.signer("provider");
  const address = parseAddress(from);
  if (dryRun) return { ...clientFrom(await environment.reader(), { address }), address };
  throw new ProtocolError(
    "usage",
    "--from names a wallet whose key this command does not have.",
    "Add --dry-run --json, and send the call that it prints from that wallet.",
  );
}
