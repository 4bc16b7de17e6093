import type { FundingStep } from "../../sdk/account/prepareFunds.ts";
import type { Client } from "../../sdk/client.ts";
import { formatOg } from "../../sdk/units.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { type Planned, type SendingFlags, submit } from "./submit.ts";

/**
 * Sends what prepareFunds says is needed before an amount can be reserved: transfers from other sub-accounts, and the
 * allowance.
 * @returns with --dry-run, the first of these calls; null if none is needed.
 */
export async function fundReservation(
  client: Client,
  steps: readonly FundingStep[],
  flags: SendingFlags,
  terminal: Terminal,
): Promise<Planned | null> {
  for (const { call, ...step } of steps) {
    const { name, ...args } = step;
    const result = await submit(client, call, args, flags, terminal);
    if (result.dryRun) return result;
    terminal.say(
      step.name === "transfer"
        ? `Moved ${formatOg(step.amount)} OG that were free in the sub-account for ${step.from}.`
        : `Allowed the contract to reserve ${formatOg(step.allowance)} OG of your account.`,
    );
  }
  return null;
}
