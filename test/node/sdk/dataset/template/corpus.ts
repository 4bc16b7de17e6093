import { execFileSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseJsonRow } from "../../../../../sdk/dataset/formats/parseRow.ts";
import { type Json, readJson } from "../../../../../sdk/dataset/jinja/json.ts";
import type { Value } from "../../../../../sdk/dataset/jinja/values.ts";
import {
  createChatTemplate,
  type RenderChat,
} from "../../../../../sdk/dataset/template/createChatTemplate.ts";
import {
  createConversationReader,
  type ReadConversation,
} from "../../../../../sdk/dataset/template/readConversation.ts";
import { CONVERSATIONS } from "./conversations.ts";

const ROOT = resolve(import.meta.dirname, "../../../../..");
const PYTHON = join(ROOT, ".venv/bin/python");
const WHEELS = join(ROOT, "scripts/rivals/wheels");

const TOKENS = { bos_token: "<s>", eos_token: "</s>", pad_token: "<pad>", unk_token: "<unk>" };
/** As in the trainer's script, in the order of their ids. */
const CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>"];

/** A template and a conversation that client, trainer and transformers do not treat alike. */
export interface Disagreement {
  readonly template: string;
  readonly conversation: string;
  readonly what: "text" | "row";
  readonly client: unknown;
  readonly others: unknown;
}

export interface CorpusResult {
  readonly templates: number;
  readonly conversations: number;
  /** Texts that all three render. */
  readonly rendered: number;
  /** Conversations that are read as rows. */
  readonly rows: number;
  readonly disagreements: readonly Disagreement[];
}

/** Why the corpus cannot be compared here; undefined if it can. */
export function whyNoCorpus(): string | undefined {
  if (!existsSync(PYTHON)) return "there is no trainer in .venv; `npm run setup` installs it";
  if (globSync(join(WHEELS, "*.whl")).length > 0) return undefined;
  return "there are no wheels with chat templates; `npm run setup -- --rivals` fetches them";
}

interface Found {
  readonly transformers: string | null;
  readonly trainer: string | null;
  readonly read: { readonly text?: string };
}

interface Template {
  readonly name: string;
  readonly source: string;
  readonly found: Readonly<Record<string, Found>>;
}

/** Compares client, trainer and transformers over every chat template of the wheels and every conversation. */
export function compareTemplates(): CorpusResult {
  return compare({ wheels: globSync(join(WHEELS, "*.whl")).toSorted(), templates: {} });
}

/** Compares them over these templates, by name. */
export function compareSources(templates: Readonly<Record<string, string>>): CorpusResult {
  return compare({ wheels: [], templates });
}

function compare(given: {
  readonly wheels: readonly string[];
  readonly templates: Readonly<Record<string, string>>;
}): CorpusResult {
  const output = execFileSync(PYTHON, ["-B", "tests/render_templates.py"], {
    cwd: join(ROOT, "provider/trainer"),
    encoding: "utf8",
    input: JSON.stringify({ ...given, conversations: CONVERSATIONS }),
    maxBuffer: 2 ** 30,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const templates = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Template);
  const found = Object.entries(templates.flatMap((template) => Object.values(template.found)));
  return {
    templates: templates.length,
    conversations: Object.keys(CONVERSATIONS).length,
    rendered: found.filter(([, each]) => each.transformers !== null).length,
    rows: found.filter(([, each]) => each.read.text !== undefined).length,
    disagreements: templates.flatMap(compareTemplate),
  };
}

function compareTemplate({ name, source, found }: Template): Disagreement[] {
  const render = renderOf(source);
  const read = createConversationReader(render, { end: "</s>", control: CONTROL });
  return Object.entries(CONVERSATIONS).flatMap(([conversation, row]) => {
    const line = JSON.stringify(row);
    const { transformers, trainer, read: expected } = found[conversation]!;
    const text = renderAs(render, readJson(line) as ReadonlyMap<string, Json>);
    const rows = readAs(read, line);
    const at = { template: name, conversation } as const;
    const differs = JSON.stringify(rows) !== JSON.stringify(expected);
    return [
      ...(text === transformers && text === trainer
        ? []
        : [{ ...at, what: "text", client: text, others: { transformers, trainer } } as const]),
      ...(differs ? [{ ...at, what: "row", client: rows, others: expected } as const] : []),
    ];
  });
}

/** A template that the client cannot read refuses everything. */
function renderOf(source: string): RenderChat {
  try {
    return createChatTemplate({ ...TOKENS, chat_template: source });
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function renderAs(render: RenderChat, row: ReadonlyMap<string, Json>): string | null {
  const messages = row.get("messages") as readonly Value[];
  const options = {
    tools: row.get("tools") ?? null,
    ask: row.get("add_generation_prompt") === true,
  };
  try {
    return render(messages, options).text;
  } catch {
    return null;
  }
}

/** In the trainer's terms: positions in code points. */
function readAs(read: ReadConversation, line: string): unknown {
  const { row } = parseJsonRow(line.replace(',"add_generation_prompt":true', ""), "causal-lm");
  if (row?.format !== "messages") return { refused: "DataError" };
  try {
    const {
      text,
      turns,
      hidden,
      unlocated = null,
      cuts,
    } = read(row.messages, { tools: row.tools });
    const point = (unit: number) => Array.from(text.slice(0, unit)).length;
    return {
      text,
      turns: turns.map(({ number, begin, end }) => ({
        number,
        begin: point(begin),
        end: point(end),
      })),
      hidden,
      unlocated,
      cuts: cuts.map(point),
    };
  } catch {
    return { refused: "ValueError" };
  }
}
