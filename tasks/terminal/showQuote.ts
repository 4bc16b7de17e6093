import type { Service } from "../../sdk/service/Service.ts";
import type { Quote } from "../../sdk/task/quote.ts";
import { formatOg } from "../../sdk/units.ts";
import { formatDuration } from "./formatDuration.ts";
import { recordRows } from "./recordRows.ts";
import type { Terminal } from "./Terminal.ts";

/** Shows the price of a task and the record of its provider; `details` are additional rows of the quote. */
export function showQuote(
  terminal: Terminal,
  service: Service,
  { units, fee, bond, trainingTime }: Quote,
  details: readonly (readonly [string, string])[] = [],
): void {
  terminal.table({
    title: "Quote",
    widths: [50, 50],
    rows: [
      ["Field", "Value"],
      ["Dataset Size", `${units} ${service.unit}s`],
      ...details,
      [
        `Price Per ${service.unit === "byte" ? "Byte" : "Token"} (OG)`,
        formatOg(service.pricePerUnit),
      ],
      ["Fee (OG)", formatOg(fee)],
      ["Fee (neuron)", fee.toString()],
      ["Provider's Bond (OG)", formatOg(bond)],
      ["Deadline", `${formatDuration(trainingTime)} after the provider accepts`],
    ],
  });
  terminal.table({
    title: "Provider's Record",
    widths: [50, 50],
    rows: [["Provider", service.provider], ...recordRows(service)],
  });
}
