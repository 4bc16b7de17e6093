import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import type { Quote } from "../../sdk/task/quote.ts";
import { describeWork, sizeUnit } from "../../sdk/task/workUnits.ts";
import { formatOg } from "../../sdk/units.ts";
import { sized } from "./counted.ts";
import { formatDuration } from "./formatDuration.ts";
import { recordRows } from "./recordRows.ts";
import type { Terminal } from "./Terminal.ts";

const BPS = 10_000n;

/** A price, and whose it is for what. */
interface Offered extends OfferedModel {
  readonly offer: Quote;
  /** Seconds for which money that returns to the account is locked. */
  readonly lockPeriod: number;
}

/** All that a task can cost, as a sum that a person can check, and its provider's record. */
export function showQuote(
  terminal: Terminal,
  { service, model, offer, lockPeriod }: Offered,
  details: readonly (readonly [string, string])[] = [],
): void {
  const { pricePerUnit, unacknowledgedBps } = service;
  const unit = sizeUnit(service.unit, model.kind);
  const { units, work, fee, bond, trainingTime } = offer;
  const { training, evaluation } = work;
  terminal.table({
    title: "Quote",
    widths: [50, 50],
    rows: [
      ["Field", "Value"],
      ["Dataset Size", sized(training.size, unit)],
      ...(evaluation.size > 0n ? [["Validation Dataset Size", sized(evaluation.size, unit)]] : []),
      ...details,
      ["Work", describeWork(work, { unit, model: model.name })],
      ["Units of Work", units.toString()],
      ["Price Per Unit of Work (OG)", formatOg(pricePerUnit)],
      ["Fee (OG)", formatOg(fee)],
      ["Fee (neuron)", fee.toString()],
      [
        "If You Never Acknowledge the Model (OG)",
        formatOg((fee * BigInt(unacknowledgedBps)) / BPS),
      ],
      ["Provider's Bond (OG)", formatOg(bond)],
      ["Deadline", `${formatDuration(trainingTime)} after the provider accepts`],
      ["Money That You Ask Back Returns After", formatDuration(lockPeriod)],
    ],
  });
  terminal.table({
    title: "Provider's Record",
    widths: [50, 50],
    rows: [["Provider", service.provider], ...recordRows(service)],
  });
}
