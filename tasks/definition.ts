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

/** A parameter with a value. Absent and empty are distinct. */
export interface Option {
  readonly kind: "option";
  readonly description: string;
  /** One letter. */
  readonly short?: string;
}

/** A parameter without a value. */
export interface Flag {
  readonly kind: "flag";
  readonly description: string;
}

/** A positional argument; empty if it is omitted. */
export interface Argument {
  readonly kind: "argument";
  readonly description: string;
}

export type Parameter = Option | Flag | Argument;

/** Parameters by name in camel case; typed in kebab case. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** The values that a command's body receives for its parameters. */
export type Values<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Flag
    ? boolean
    : P[Name] extends Argument
      ? string
      : string | undefined;
};

/** A command. Its body is loaded only when it is called. */
export interface CommandDefinition {
  /** ["fine-tuning", "create"]. */
  readonly path: readonly string[];
  readonly description: string;
  readonly parameters: Parameters;
  readonly load: () => Promise<{ readonly default: Command<never> }>;
}

/** A group of commands, as shown in the reference. */
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

/** Defines a command; its body's flags are typed by the parameters. */
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
