import type { Environment } from "./Environment.ts";
import type { Terminal } from "./terminal/Terminal.ts";

/**
 * The body of a command: it reads its flags, writes to the terminal, and returns the document that --json prints. A
 * command that prints its documents itself, line by line, returns nothing.
 * @throws ProtocolError for every error that the user should see.
 */
export type Command<Flags> = (
  flags: Flags,
  terminal: Terminal,
  environment: Environment,
) => Promise<unknown>;

/** What every parameter has. */
interface Described {
  readonly description: string;
  /** The heading that it is under in help; undefined for those of a command that has no headings. */
  readonly group?: string;
  /** The command does not start without it. */
  readonly required?: true;
}

/** A parameter with a value. Absent and empty are distinct. */
export interface Option extends Described {
  readonly kind: "option";
  /** One letter. */
  readonly short?: string;
  /** The value in help, for example OG; the last word of the name if it is not given. */
  readonly value?: string;
}

/** A parameter without a value. */
export interface Flag extends Described {
  readonly kind: "flag";
  /** One letter. */
  readonly short?: string;
}

/** A positional argument; empty if it is omitted. */
export interface Argument extends Described {
  readonly kind: "argument";
  /** The value in help; the name if it is not given. */
  readonly value?: string;
}

export type Parameter = Option | Flag | Argument;

/** Parameters by name in camel case; typed in kebab case. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** The values that a command's body receives for its parameters. */
export type Values<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Flag
    ? boolean
    : P[Name] extends Argument | { readonly required: true }
      ? string
      : string | undefined;
};

/** A command. Its body is loaded only when it is called. */
export interface CommandDefinition {
  /** ["fine-tuning", "create"]. */
  readonly path: readonly string[];
  readonly description: string;
  readonly parameters: Parameters;
  /** What can be typed after the command. */
  readonly examples: readonly string[];
  readonly load: () => Promise<{ readonly default: Command<never> }>;
}

/** A group of commands, as shown in the reference. */
export interface CommandFamily {
  readonly title: string;
  readonly commands: readonly CommandDefinition[];
}

export const option = (
  description: string,
  details: Pick<Option, "short" | "value"> = {},
): Option => ({ kind: "option", description, ...details });
export const flag = (description: string): Flag => ({ kind: "flag", description });
export const argument = (description: string, value?: string): Argument => ({
  kind: "argument",
  description,
  ...(value && { value }),
});

export const required = <P extends Option | Argument>(
  parameter: P,
): P & { readonly required: true } => ({ ...parameter, required: true });

/** Parameters that are under one heading in help. */
export const grouped = <P extends Parameters>(group: string, parameters: P): P =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => [name, { ...parameter, group }]),
  ) as P;

/**
 * Defines a command; its body's flags are typed by the parameters.
 * @param examples what can be typed after the command; by default, what is required
 */
export const command = <P extends Parameters>(
  path: string,
  description: string,
  parameters: P,
  load: () => Promise<{ readonly default: Command<Values<P>> }>,
  ...examples: readonly string[]
): CommandDefinition => ({ path: path.split(" "), description, parameters, load, examples });
