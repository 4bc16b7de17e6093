import type { Environment } from "./Environment.ts";
import type { Terminal } from "./terminal/Terminal.ts";

/**
 * What a command does: reads its flags, talks on the terminal, and returns the document that --json prints.
 * A command that prints its documents itself, line by line, returns nothing.
 * @throws ProtocolError for whatever its user should know.
 */
export type Command<Flags> = (
  flags: Flags,
  terminal: Terminal,
  environment: Environment,
) => Promise<unknown>;

/** Takes a value. It can be absent, which is not the same as empty. */
export interface Option {
  readonly kind: "option";
  readonly description: string;
  /** One letter. */
  readonly short?: string;
}

/** Is there or not. */
export interface Flag {
  readonly kind: "flag";
  readonly description: string;
}

/** A word without a flag; empty if it is left out. */
export interface Argument {
  readonly kind: "argument";
  readonly description: string;
}

export type Parameter = Option | Flag | Argument;

/** By name in camel case; typed in kebab case. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** What a command's body is given for its parameters. */
export type Values<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Flag
    ? boolean
    : P[Name] extends Argument
      ? string
      : string | undefined;
};

/** A command, without its body: that is loaded if it is called. */
export interface CommandDefinition {
  /** ["fine-tuning", "create"]. */
  readonly path: readonly string[];
  readonly description: string;
  readonly parameters: Parameters;
  readonly load: () => Promise<{ readonly default: Command<never> }>;
}

/** Commands that belong together, as the reference shows them. */
export interface CommandFamily {
  readonly title: string;
  readonly commands: readonly CommandDefinition[];
}

export const option = (description: string, short?: string): Option => ({
  kind: "option",
  description,
  ...(short && { short }),
});
export const flag = (description: string): Flag => ({ kind: "flag", description });
export const argument = (description: string): Argument => ({ kind: "argument", description });

/** Defines a command whose body takes what the parameters say. */
export const command = <P extends Parameters>(
  path: string,
  description: string,
  parameters: P,
  load: () => Promise<{ readonly default: Command<Values<P>> }>,
): CommandDefinition => ({ path: path.split(" "), description, parameters, load });

/** The parameters of a kind, by name. */
export const parametersOf = <Kind extends Parameter["kind"]>(
  { parameters }: CommandDefinition,
  kind: Kind,
) =>
  Object.entries(parameters).filter(
    (entry): entry is [string, Extract<Parameter, { kind: Kind }>] => entry[1].kind === kind,
  );
