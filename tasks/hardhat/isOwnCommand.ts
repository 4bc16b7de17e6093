import { commands } from "../index.ts";

/**
 * Whether a command line is one of ours. Building, testing and deploying need many plugins, which take longer to load
 * than most commands run; our commands need none of them.
 * @param argv like process.argv
 */
export function isOwnCommand([, , ...words]: readonly string[]): boolean {
  const typed = words.find(
    (word, index) => !word.startsWith("-") && words[index - 1] !== "--network",
  );
  return commands.some(({ path }) => path[0] === typed);
}
