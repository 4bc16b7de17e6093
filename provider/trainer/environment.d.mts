/** Makes the trainer's Python environment, if it is not there. @returns the path of its Python. */
export function ensureTrainerEnvironment(
  directory: string,
  options?: { readonly development?: boolean },
): string;
