import { ProviderError } from "../../errors.ts";
import type { Facts } from "../../store/Store.ts";

/**
 * The facts, of which the named ones must be set by earlier steps.
 * @throws ProviderError that names the missing ones.
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
    hint: "Restore PROVIDER_DIR from a backup.",
  });
}
