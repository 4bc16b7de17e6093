/** Makes the trainer's Python environment, if there is none. @returns the path of its Python. */
export function ensureTrainerEnvironment(
  directory: string,
  options?: { readonly development?: boolean },
): Promise<string>;
