/**
 * The name of a tuned model: the base model's, with the suffix of the order. It is in the model card, in file names, and
 * the name of the folder in a provider's archive.
 */
export function tunedModelName(base: string, suffix: string | undefined): string {
  return suffix ? `${base}-${suffix}` : base;
}
