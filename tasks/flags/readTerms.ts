import { ProtocolError } from "../../sdk/errors.ts";
import { type ServiceTerms, UNITS, type Unit } from "../../sdk/service/Service.ts";
import { parseOg } from "../../sdk/units.ts";
import { readInteger } from "./readFlags.ts";

/** The flags that describe an offer; the rest of the terms comes from the daemon. */
export interface TermsFlags {
  readonly url: string | undefined;
  readonly price: string | undefined;
  readonly minimumUnits: string | undefined;
  readonly unit: string | undefined;
  readonly maxTrainingTime: string | undefined;
  readonly bondBps: string | undefined;
  readonly unacknowledgedBps: string | undefined;
  readonly openTasks: string | undefined;
}

type OfferedTerms = Omit<ServiceTerms, "catalogueHash" | "encryptionKey" | "operator">;

/** Reads the flags; missing ones keep their values in `base`. */
export function readTerms(flags: TermsFlags, base: OfferedTerms): OfferedTerms {
  const number = (value: string | undefined, flag: string, fallback: number) =>
    value === undefined ? fallback : Number(readInteger(value, flag));
  return {
    url: flags.url ?? base.url,
    pricePerUnit: flags.price === undefined ? base.pricePerUnit : parseOg(flags.price),
    minimumUnits:
      flags.minimumUnits === undefined
        ? base.minimumUnits
        : readInteger(flags.minimumUnits, "--minimum-units"),
    unit: flags.unit === undefined ? base.unit : readUnit(flags.unit),
    maxTrainingTime: number(flags.maxTrainingTime, "--max-training-time", base.maxTrainingTime),
    bondBps: number(flags.bondBps, "--bond-bps", base.bondBps),
    unacknowledgedBps: number(
      flags.unacknowledgedBps,
      "--unacknowledged-bps",
      base.unacknowledgedBps,
    ),
    openTasksPerUser: number(flags.openTasks, "--open-tasks", base.openTasksPerUser),
    accepting: base.accepting,
  };
}

function readUnit(text: string): Unit {
  const unit = UNITS.find((name) => name === text);
  if (unit) return unit;
  throw new ProtocolError("usage", `--unit is "${text}".`, `Use one of: ${UNITS.join(", ")}.`);
}
