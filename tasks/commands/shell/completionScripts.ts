/** A command for shell completion. */
export interface CompletedCommand {
  /** ["fine-tuning", "create"]. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly {
    readonly flag: string;
    readonly short: string | undefined;
    readonly description: string;
    readonly takesValue: boolean;
  }[];
}

const NETWORKS = "localhost testnet mainnet";
const PATH_FLAG =
  /^--(data-path|dataset-path|config-path|encrypted-model|output|training-file|validation-file)$/;
const GLOBALS = [
  { flag: "--network", description: "The network to use" },
  { flag: "--help", description: "Explain the command" },
];

/** The completion script of each shell, for `hardhat …` and `npx hardhat …`. */
export const completionScripts: ReadonlyMap<
  string,
  (commands: readonly CompletedCommand[]) => string
> = new Map([
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish],
]);

const flagsOf = ({ options }: CompletedCommand) => [
  ...options.flatMap(({ flag, short, description }) =>
    [flag, short].filter((each) => each !== undefined).map((each) => ({ flag: each, description })),
  ),
  ...GLOBALS,
];

/** Commands right below `path`. */
const below = (commands: readonly CompletedCommand[], path: readonly string[]) =>
  commands.filter(
    (command) =>
      command.path.length === path.length + 1 && path.every((word, i) => command.path[i] === word),
  );

/** Positions for completion: before any command, or after each one. */
const positions = (commands: readonly CompletedCommand[]) => [
  { path: [], words: below(commands, []), flags: GLOBALS },
  ...commands.map((command) => ({
    path: command.path,
    words: below(commands, command.path),
    flags: flagsOf(command),
  })),
];

const flagsWhere = (
  commands: readonly CompletedCommand[],
  test: (option: CompletedCommand["options"][number]) => boolean,
): string[] => {
  const found = commands.flatMap(({ options }) => options.filter(test));
  return [...new Set(found.flatMap(({ flag, short }) => (short ? [flag, short] : [flag])))];
};

/** Short flags have different meanings after different commands; offering a file is always acceptable. */
const pathFlags = (commands: readonly CompletedCommand[]) =>
  flagsWhere(commands, ({ flag }) => PATH_FLAG.test(flag));

const valueFlags = (commands: readonly CompletedCommand[]) =>
  flagsWhere(commands, ({ flag, takesValue }) => takesValue && !PATH_FLAG.test(flag));

/** Shell code that determines the command from the words so far, for bash and zsh. In zsh, $path is reserved. */
const findCommand = (commands: readonly CompletedCommand[]) => `
  local command="" word
  for word in "\${typed[@]}"; do
    case "\${command:+$command }$word" in
      ${commands.map(({ path }) => `"${path.join(" ")}"`).join("|")}) command="\${command:+$command }$word" ;;
    esac
  done`;

function bash(commands: readonly CompletedCommand[]): string {
  const offers = positions(commands).map(({ path, words, flags }) => {
    const list = [...words.map((command) => command.path.at(-1)), ...flags.map(({ flag }) => flag)];
    return `    "${path.join(" ")}") offer="${list.join(" ")}" ;;`;
  });
  return `# Completion of Anneal's commands for bash: eval "$(npx hardhat completion bash)"
_anneal() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" offer=""
  local -a typed=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  COMPREPLY=()
  if [[ "\${COMP_WORDS[0]##*/}" == npx ]]; then
    if [[ "\${typed[0]}" != hardhat ]]; then
      [[ $COMP_CWORD == 1 ]] && COMPREPLY=($(compgen -W "hardhat" -- "$current"))
      return
    fi
    typed=("\${typed[@]:1}")
  fi${findCommand(commands)}
  case "$previous" in
    --network) COMPREPLY=($(compgen -W "${NETWORKS}" -- "$current")); return ;;
    ${pathFlags(commands).join("|")}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${valueFlags(commands).join("|")}) return ;;
  esac
  case "$command" in
${offers.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$offer" -- "$current"))
}
complete -o filenames -F _anneal hardhat
complete -o default -F _anneal npx`;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function zsh(commands: readonly CompletedCommand[]): string {
  const entry = (name: string, description: string) =>
    quoted(`${name.replaceAll(":", "\\:")}:${description}`);
  const offers = positions(commands).map(({ path, words, flags }) => {
    const list = [
      ...words.map((command) => entry(command.path.at(-1)!, command.description)),
      ...flags.map(({ flag, description }) => entry(flag, description)),
    ];
    return `    "${path.join(" ")}") offer=(${list.join(" ")}) ;;`;
  });
  return `#compdef hardhat npx
# Completion of Anneal's commands for zsh: eval "$(npx hardhat completion zsh)"
_anneal() {
  local -a typed offer
  typed=("\${(@)words[2,CURRENT-1]}")
  if [[ "\${words[1]:t}" == npx ]]; then
    if [[ "\${typed[1]}" != hardhat ]]; then
      (( CURRENT == 2 )) && compadd hardhat
      return
    fi
    shift typed
  fi${findCommand(commands)}
  case "\${words[CURRENT-1]}" in
    --network) compadd ${NETWORKS}; return ;;
    ${pathFlags(commands).join("|")}) _files; return ;;
    ${valueFlags(commands).join("|")}) return ;;
  esac
  case "$command" in
${offers.join("\n")}
  esac
  _describe 'anneal' offer
}
compdef _anneal hardhat npx`;
}

/** -x: a value that is not a file; -r: any value. */
function fishValue(flag: string, values: readonly string[]): string {
  if (flag === "--network") return ` -x -a ${quoted(NETWORKS)}`;
  if (PATH_FLAG.test(flag)) return " -r -F";
  return values.includes(flag) ? " -x" : "";
}

function fish(commands: readonly CompletedCommand[]): string {
  const values = valueFlags(commands);
  const lines = positions(commands).flatMap(({ path, words, flags }) => {
    const at = `-n ${quoted(`__anneal_at ${quoted(path.join(" "))}`)}`;
    return ["hardhat", "npx"].flatMap((program) => [
      ...words.map(
        (command) =>
          `complete -c ${program} ${at} -f -a ${command.path.at(-1)} -d ${quoted(command.description)}`,
      ),
      ...flags.map(({ flag, description }) => {
        const name = flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
        return `complete -c ${program} ${at} ${name}${fishValue(flag, values)} -d ${quoted(description)}`;
      }),
    ]);
  });
  return `# Completion of Anneal's commands for fish: npx hardhat completion fish | source
function __anneal_at
  set -l typed (commandline -opc)
  set -l program (basename $typed[1])
  set -e typed[1]
  if test "$program" = npx
    test "$typed[1]" = hardhat; or return 1
    set -e typed[1]
  end
  set -l command
  for word in $typed
    contains -- (string join -- ' ' $command $word) ${commands.map(({ path }) => quoted(path.join(" "))).join(" ")}
    and set -a command $word
  end
  test "$command" = "$argv[1]"
end
${lines.join("\n")}`;
}
