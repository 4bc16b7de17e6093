/** `n_epochs` and `n-epochs` as `nEpochs`. */
export const toCamelCase = (text: string) =>
  text.replaceAll(/[-_](\w)/g, (_, letter: string) => letter.toUpperCase());

/** The hyper-parameter `n_epochs` as `--n-epochs`, as it is typed. */
export const flagOf = (name: string) => `--${name.replaceAll("_", "-")}`;

/** `nEpochs` as `n-epochs`, as it is typed. */
export const toKebabCase = (text: string) =>
  text.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
