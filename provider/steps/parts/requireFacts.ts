import { ProviderError } from "../../errors.ts";
import type { Facts } from "../../store/Store.ts";

/**
 * What earlier steps must have found out.
 * @throws ProviderError that names what is missing.
 */
export function requireFacts<Name extends keyof Facts>(
  facts: Facts,
  ...names: readonly Name[]
): Facts & { readonly [Key in Name]-?: NonNullable<Facts[Key]> } {
  const missing = names.filter((name) => facts[name] === undefined || facts[name] === null);
  if (missing.length === 0)
    return facts as Facts & { readonly [Key in Name]-?: NonNullable<Facts[Key]> };
  throw new ProviderError(`The job's record lacks ${missing.join(", ")}.`, {
    retryable: true,
    hint: "Its state is incomplete; restore PROVIDER_DIR from a backup.",
  });
}
