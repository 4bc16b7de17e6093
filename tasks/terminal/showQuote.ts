import type { Service } from "../../sdk/service/Service.ts";
import type { Quote } from "../../sdk/task/quote.ts";
import { formatOg } from "../../sdk/units.ts";
import { formatDuration } from "./formatDuration.ts";
import type { Terminal } from "./Terminal.ts";

/** Shows the price of a task; `details` are additional rows. */
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
}
