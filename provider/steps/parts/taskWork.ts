import { type WorkUnits, workUnits } from "../../../sdk/task/workUnits.ts";
import type { JobRecord } from "../../store/Store.ts";
import { requireFacts } from "./requireFacts.ts";
import { requireHyperparameters } from "./requireHyperparameters.ts";

/** The work of a task: what its datasets were counted to need, or what was done of it if its training has ended. */
export function taskWork({ order, facts }: Pick<JobRecord, "order" | "facts">): WorkUnits {
  const { sizes, rates, minimumUnits } = requireFacts(facts, "sizes", "rates", "minimumUnits");
  return workUnits({
    dataSize: BigInt(sizes.train),
    validationSize: BigInt(sizes.validation),
    config: requireHyperparameters(order),
    rates,
    minimumUnits: BigInt(minimumUnits),
    ...(facts.done && { done: facts.done }),
  });
}
