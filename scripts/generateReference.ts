/**
 * Writes docs/data.md from the dataset rules and docs/commands.md from the commands' definitions, so that they match
 * the checker and `--help`. A test fails if a file is out of date.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RULES } from "../sdk/dataset/formats/rules.ts";
import { type ErrorCode, ProtocolError } from "../sdk/errors.ts";
import type { CommandDefinition, CommandFamily } from "../tasks/definition.ts";
import { examplesOf, fullForm } from "../tasks/flags/typedForm.ts";
import { describeParameter, groupsOf, type ParameterGroup } from "../tasks/help/renderHelp.ts";
import { families } from "../tasks/index.ts";

const DOCS = join(import.meta.dirname, "../docs");

const INTRODUCTION = `# Commands

Run every command as \`npx hardhat <command>\`, with \`--network localhost\` (the default), \`testnet\` or \`mainnet\`. The npm
package has the same commands without Hardhat, as \`npx anneal <command>\`, with keys only from environment variables. Its
plugin has them as \`npx hardhat anneal <command>\`, and the family \`fine-tuning\` under its own name.

This page is generated from the commands' definitions by \`scripts/generateReference.ts\`; a command's \`--help\` shows the
same. [parity.md](parity.md) lists 0G's and Together's commands with their equivalents here.

## All commands

- \`--json\` prints exactly one JSON document to stdout, or one per line if something is followed. Amounts are whole
  neuron as strings. Everything else goes to stderr.
- \`--dry-run\` shows which calls would be sent, with their arguments and gas. Nothing is sent or uploaded.
- An order can be repeated after Ctrl-C, a closed terminal or a lost response: \`create-task\` and \`fine-tuning create\`
  find the task that they ordered, report it, and continue with it. The same model, datasets and parameters are ordered
  and paid for once. They are ordered again without a flag if the task ended without a model, and with \`--again\` if its
  model is ready.
- Without a terminal no command waits for an answer: a command that would have to ask exits 2 and names the flag that
  answers the question.
- Tables have boxes in a terminal and none in a pipe; \`NO_COLOR\` is respected; ids are never truncated.
- An output file is checked before anything else happens. It must not be a device, a pipe, a directory or an input; a
  link is followed. An existing file is replaced only with \`--force\`, and left alone if it already contains the result.
  The file appears only when it is complete.
- Private keys and tokens come from the environment or from \`npx hardhat keystore set <NAME>\`, never from a flag.

| variable | meaning |
|---|---|
| \`ZG_PRIVATE_KEY\` | key of the wallet that signs; without it, on \`localhost\`, a well-known test account |
| \`RPC_ENDPOINT\` | the chain's node, if not the network's public one; several separated by commas, the next if one fails |
| \`STORAGE_ENDPOINT\` | URL of the storage node |
| \`ANNEAL_DEPLOYMENTS\` | folder with the contracts' addresses, if not \`deployments/<network>\` or the public ones on the chain |
| \`HTTP_PROXY\`, \`HTTPS_PROXY\`, \`NO_PROXY\` | proxies for chain, storage and providers, and the hosts without one; never for loopback addresses |
| \`WANDB_API_KEY\` | Weights & Biases key, sent to the provider encrypted if a \`wandb\` parameter is set |
| \`HF_TOKEN\` | hub token, sent to the provider encrypted if a model is fetched from the hub or uploaded to it |
`;

/** The outcomes of commands in words; their exit codes follow from the error codes. */
const ENDS: Record<ErrorCode | "ok", string> = {
  ok: "success",
  unexpected: "unexpected error",
  "not-found": "not found",
  "too-early": "too early",
  reverted: "the contract reverted",
  usage: "invalid input: a flag, a value, a file",
  "dataset-invalid": "the dataset is invalid",
  "insufficient-funds": "not enough money",
  "task-failed-by-provider": "the task failed through the provider's fault",
  "task-failed-by-input": "the task failed because of invalid input",
  declined: "declined, cancelled or interrupted",
  "timed-out": "--timeout has passed",
  network: "a node, storage or provider does not answer",
  integrity: "a root, page or signature did not match",
};

export function renderReference(): string {
  return [INTRODUCTION, renderEnds(), ...families.map(renderFamily)].join("\n");
}

function renderEnds(): string {
  const words = new Map<number, string[]>();
  for (const [code, meaning] of Object.entries(ENDS)) {
    const exit = code === "ok" ? 0 : new ProtocolError(code as ErrorCode, "", "").exitCode;
    words.set(exit, [...(words.get(exit) ?? []), meaning]);
  }
  const rows = [...words].sort(([a], [b]) => a - b);
  return `| exit code | what happened |
|---|---|
${rows.map(([exit, meanings]) => `| ${exit} | ${meanings.join("; ")} |`).join("\n")}
`;
}

const renderFamily = ({ title, commands }: CommandFamily) =>
  `## ${title}\n\n${commands.map(renderCommand).join("\n")}`;

function renderCommand(command: CommandDefinition): string {
  const groups = groupsOf(command);
  return `### ${command.path.join(" ")}

${command.description}.

${groups.map((group) => renderGroup(group, groups.length > 1)).join("\n")}
\`\`\`bash
${examplesOf(command)
  .map((line) => `npx hardhat ${line}`)
  .join("\n")}
\`\`\`
`;
}

function renderGroup({ title, parameters }: ParameterGroup, isTitled: boolean): string {
  const rows = parameters.map(
    ([name, parameter]) =>
      `| \`${cell(fullForm(name, parameter), "<")}\` | ${cell(describeParameter(parameter))} |\n`,
  );
  return `| ${isTitled ? title : ""} | |\n|---|---|\n${rows.join("")}`;
}

const DATA = `# Datasets

\`npx hardhat check-data --data-path <PATH>\` reports every problem of a dataset in one pass, each with file, line, rule
and fix. The provider refuses a dataset that breaks an error rule; what breaks a warning rule only wastes money. The
trainer follows the same rules, and is tested on the same files. This table is generated from them by
\`scripts/generateReference.ts\`.

## Rows

Each line of a .jsonl file is one row, and all rows of a file have the same format:

| format | keys | learned |
|---|---|---|
| conversation | \`messages\`, optionally \`tools\` and \`parallel_tool_calls\` | the assistant's messages |
| prompt | \`prompt\` and \`completion\`: texts, or lists of messages, then optionally \`tools\` | the completion |
| text | \`text\` | all of it |
| instruction | \`instruction\`, \`output\`, optionally \`input\` | the output |
| preference | \`prompt\`, \`chosen\` and \`rejected\`: texts, or lists of messages, then optionally \`tools\`; without a prompt, both answers begin with the same messages | which answer is better |
| preference, of OpenAI | \`input\` with \`messages\` and optionally \`tools\`, \`preferred_output\`, \`non_preferred_output\` | the same |
| unpaired preference | \`prompt\` and \`completion\` as above, and \`label\`: true if the answer is desirable, or else false | which answers are desirable |

\`training_method\` says how answers are compared, and \`train_on_inputs\` whether prompts are learned, too:

| method | learns from | to make |
|---|---|---|
| sft | rows without preferences, and tables of token ids | answers more likely |
| dpo | preferences | the better answer gain more than the worse one since before the training; optionally the better answer more likely (\`rpo_alpha\`) |
| simpo | preferences | the better answer more likely per token than the worse one, by a margin |
| orpo | preferences | the better answer more likely, and its odds higher than those of the worse one |
| kto | unpaired preferences, or preferences as two rows each | desirable answers gain and undesirable ones lose, compared with answers to other prompts |

Without it the rows decide: preferences are learned with dpo, unpaired ones with kto. With \`pack_documents\` texts are
one stream, cut into sequences of \`max_seq_length\` tokens; what is counted and paid for stays the same.

A message has a \`role\` (system, developer, user, assistant or tool) and a \`content\`: a text, or a list of
\`{"type": "text", "text": "…"}\`, which are joined. \`name\` is optional. A message of the assistant may have:

- \`tool_calls\`, as OpenAI documents them, with the arguments as JSON or as an object; its content may then be null. The
  message of a tool names the call that it answers with \`tool_call_id\`.
- \`reasoning_content\`, \`reasoning\` or \`thinking\`: what it thought before it answered.
- \`weight\` 0 if the message is not learned. In such a row only answers are learned, whatever \`train_on_inputs\` is.

\`functions\`, \`function_call\` and the role function, as the same were called before, are read, too. Keys with the value
null count as absent.

**The chat template of the model** writes a conversation as one text, exactly as for inference: the text is that of
transformers, but for the day, which is always 26 July 2024. What the template does not know is not lost silently:

- A developer is a system message to templates that know no developer. Names that a template leaves out are a warning.
- Tools, calls and reasoning that a template has no place for are an error.
- Templates of reasoning models leave the reasoning out of answers: of the last answer it is restored, and earlier
  answers without theirs are not learned, with a warning.
- \`<|im_end|>\` and other control tokens that somebody wrote in a message stay text. In prompts, completions and texts
  they are control tokens.

A text, or a prompt with its completion, begins with the special tokens that the model's tokenizer puts there, once, and
ends with its end token. The prompt has the tokens that it has alone.

## Image datasets

An image dataset is an archive of class folders with JPEG or PNG images: \`class/image\`, or \`top/class/image\` with the
same top folder for all of them. What file managers add is skipped wherever it is: \`__MACOSX\`, \`Thumbs.db\`,
\`desktop.ini\`, the icons of folders, and every name that starts with a full stop. The content of a file decides whether
it is an image, not its extension. Images are turned upright by their EXIF orientation.

## Rules

| rule | | requirement | fix |
|---|---|---|---|
`;

const CONVERSION = `
A problem that repeats is shown once, with its number and first lines. \`check-data --json\` has them as \`groups\`, by rule
and message, each with \`count\` and \`places\`, and the first ten of each group as \`problems\`.

## Rows as the model sees them

\`npx hardhat preview --data-path <PATH> --model <MODEL>\` shows the first rows as the trainer gives them to the model:
through its chat template and tokenizer, with what is learned marked, and what is cut after the maximum length at the
end. \`--rows\` and \`--from\` choose other rows, \`--max-seq-length\` and \`--train-on-inputs\` are those of the job.

\`\`\`text
capitals.jsonl:1 (messages): 30 tokens, 8 learned, 0 cut
  <|im_start|>user↵
  The capital of Austria?<|im_end|>↵
  <|im_start|>assistant↵
  ‹Vienna.<|im_end|>↵›
\`\`\`

With colours, what is learned is green, what is only read is dim, what is cut is red, and control tokens are underlined:
\`<|im_end|>\` without a line is text that somebody wrote. Both answers of a preference pair are shown, a text with its
label, and of an image its class and size. A row that cannot be read has its problem instead. \`--json\` lists the tokens
with their ids, and \`previewDataset\` in the SDK does the same for programs.

## Datasets in other formats

A file in another format is recognized by its content, whatever its name: \`check-data\`, and everything that checks a
dataset before an order, says in one sentence what it is, and which command makes a dataset of it. For a program,
\`foreign\` in the only problem says the same.

| file | command |
|---|---|
| JSON array or JSON objects over several lines, conversations of ShareGPT, rows of Alpaca, columns with other names, keys besides those of a format, parquet with texts | \`convert-data\` |
| compressed with gzip, zstd, bzip2 or xz; a zip with a file of rows | \`gunzip\`, \`zstd\`, \`bunzip2\`, \`xz\`, \`unzip\` |
| UTF-16, which Excel writes | \`iconv\` |
| Excel workbook | save its sheet as CSV UTF-8, then \`convert-data\` |
| a dataset whose name does not end in its format | \`mv\` |
| one JSON object with the rows under a key | \`jq\` |

\`npx hardhat convert-data --data-path IN --output OUT.jsonl\` converts JSON lines, a JSON array of any size, .csv, .tsv and
.parquet, recognized by their content. IN is not changed, and an existing file at OUT.jsonl is replaced only with
\`--force\`. The file appears only when it is complete: if a row cannot be converted, its line is named and nothing is
written. \`--limit\` and \`--offset\` take a part of the rows.

| \`--from\` | rows | become |
|---|---|---|
| \`sharegpt\` | \`conversations\`, a list of \`{"from": "human", "value": "…"}\`, optionally \`system\` and \`tools\` | \`messages\`: \`human\` is the user, \`gpt\` the assistant, \`function_call\` a call of the assistant, \`observation\` its result |
| \`alpaca\` | \`instruction\`, \`output\`, optionally \`input\`, \`system\` and \`history\` | \`messages\` |
| \`columns\` | columns or keys with other names | the fields in \`--columns\`, for example \`--columns prompt=question,completion=answer\`; without a header by number, from 0: \`--columns label=0,text=1\` |
| \`array\` | any | lines, otherwise unchanged |

Without \`--from\`, the first row decides, and \`--columns\` is needed only for names that are not recognized: question and
answer, query and response, instruction and response, source and target, sentence and class and similar pairs are. A
context becomes the input of an instruction. What is left out of the first row is named.
`;

export function renderRules(): string {
  const rows = Object.entries(RULES).map(
    ([rule, { severity, meaning, hint }]) =>
      `| \`${rule}\` | ${severity} | ${cell(meaning)} | ${cell(hint)} |\n`,
  );
  return DATA + rows.join("") + CONVERSION;
}

/** Escapes text for a Markdown table. */
const cell = (text: string, less = "&lt;") => text.replaceAll("|", "\\|").replaceAll("<", less);

if (import.meta.main) {
  await writeFile(join(DOCS, "commands.md"), renderReference());
  await writeFile(join(DOCS, "data.md"), renderRules());
}
