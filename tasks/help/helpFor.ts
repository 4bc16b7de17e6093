import type { CommandDefinition, CommandFamily } from "../definition.ts";
import { findCommand } from "../flags/readWords.ts";
import { type HelpSetting, renderCommandHelp, renderOverview } from "./renderHelp.ts";

/** The commands of a program. */
export interface Offered extends Omit<HelpSetting, "columns"> {
  readonly families: readonly CommandFamily[];
  /** Other commands, with their descriptions. */
  readonly others: Readonly<Record<string, string>>;
}

const COLUMNS = 80;

/** The help of the command in a command line, if it is asked for; undefined otherwise. */
export function commandHelp(words: readonly string[], offered: Offered): string | undefined {
  const end = words.indexOf("--");
  const asks = words
    .slice(0, end === -1 ? undefined : end)
    .some((word) => /^(--help|-h)$/.test(word));
  const found = asks && findCommand(words, commandsOf(offered));
  return found ? renderCommandHelp(found.command, settingOf(offered)) : undefined;
}

/**
 * The help for a command line without a complete command of ours: of the family that is named, or of the program if no
 * command is. Undefined for other command lines, and for a program in which all our commands are in families.
 */
export function overview(words: readonly string[], offered: Offered): string | undefined {
  const commands = commandsOf(offered);
  if (findCommand(words, commands)) return undefined;
  const [first] = words.filter(
    (word) => word in offered.others || commands.some(({ path }) => path[0] === word),
  );
  const isAbsent = first === undefined && commands.every(({ path }) => path.length > 1);
  if (isAbsent || (first !== undefined && first in offered.others)) return undefined;
  const isNamed = ({ path }: CommandDefinition) => path.length > 1 && path[0] === first;
  const named = offered.families
    .map((family) => ({ ...family, commands: family.commands.filter(isNamed) }))
    .filter(({ commands }) => commands.length > 0);
  const { program, families, others } = offered;
  return named.length > 0
    ? renderOverview(named, {
        ...settingOf({ ...offered, program: `${program} ${first}` }),
        others: {},
      })
    : renderOverview(families, { ...settingOf(offered), others });
}

const commandsOf = ({ families }: Offered) => families.flatMap(({ commands }) => commands);

const settingOf = ({ program }: Offered): HelpSetting => ({
  program,
  columns: process.stdout.columns ?? COLUMNS,
});
