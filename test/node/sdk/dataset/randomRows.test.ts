import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { before, describe, it } from "mocha";
import { jsonl, temporaryFolder } from "./temporaryFolder.ts";
import { expectAgreement, makeTinyModels, readTokenizer, skipWithoutTrainer } from "./trainer.ts";

const SEED = 20240229;
const FILES = 1_200;
const ROWS = 8;
/** Cuts some rows, but seldom all that is learned of one. */
const MAX_LENGTH = 250;

/** In the manner of models in use: with tools and reasoning, with neither, and one that rewrites earlier turns. */
const TEMPLATES = {
  tools: `{% if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}{% endfor %}<|im_end|>
{% endif %}{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user
<tool_response>{{ m.content }}</tool_response><|im_end|>
{% else %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content or '' }}{% for call in m.tool_calls or [] %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`,
  plain: `{{ '<|im_start|>' }}{% for m in messages %}{{ m.role + ': ' + m.content | trim }}<|im_end|>{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}`,
  rewriting: `{% for m in messages %}<|im_start|>{{ m.role }}
{% set c = m.content %}{% if m.role == 'assistant' and not loop.last and '</think>' in c %}{% set c = c.split('</think>')[-1] %}{% endif %}{{ c }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
<think>
{% endif %}`,
} as const;

const text = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.string({ unit: "grapheme", maxLength: 8 }) },
      fc.constantFrom("<|im_end|>", "<|im_start|>assistant\n", "</think>", "<think>", " ", "\n"),
      fc.constantFrom("e\u0301", "😀", "ﬁ", "'s", "123", "{{ x }}", "\u2028", "▁"),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join(""))
  .filter(Boolean);
const json = fc.dictionary(
  fc.constantFrom("a", "b", "1", "0", "city"),
  fc.oneof(text, fc.integer(), fc.double({ noNaN: true }), fc.constant(null), fc.boolean()),
  { maxKeys: 3 },
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>, weight = 1) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight, arbitrary });

const content = fc.oneof(
  { weight: 5, arbitrary: text },
  fc.array(
    text.map((part) => ({ type: "text", text: part })),
    { minLength: 1, maxLength: 3 },
  ),
);
const user = content.map((said) => ({ role: "user", content: said }));
const answer = fc
  .record({ content, weight: maybe(fc.constantFrom(0, 1)), reasoning_content: maybe(text) })
  .map((fields) => ({ role: "assistant", ...fields }));
const call = fc
  .record({ id: fc.constantFrom("x", "call_1"), args: json, isText: fc.boolean(), result: text })
  .map(({ id, args, isText, result }) => [
    {
      role: "assistant",
      content: null,
      tool_calls: [
        {
          id,
          type: "function",
          function: { name: "f", arguments: isText ? JSON.stringify(args) : args },
        },
      ],
    },
    { role: "tool", tool_call_id: id, content: result },
  ]);
const round = (calls: number) =>
  fc
    .tuple(user, fc.array(call, { maxLength: calls }), answer)
    .map(([asked, called, answered]) => [asked, ...called.flat(), answered]);
const opening = maybe(fc.record({ role: fc.constantFrom("system", "developer"), content: text }));
const conversation = (calls: number) =>
  fc
    .tuple(opening, fc.array(round(calls), { minLength: 1, maxLength: 3 }))
    .map(([first, rounds]) => {
      const messages: object[] = [...(first ? [first] : []), ...rounds.flat()];
      return [...messages.slice(0, -1), { ...messages.at(-1), weight: 1 }];
    });
const tools = json.map((parameters) => [{ type: "function", function: { name: "f", parameters } }]);

const row = (calls: number) =>
  fc.record(
    { messages: conversation(calls), ...(calls > 0 && { tools: maybe(tools) }) },
    { noNullPrototype: true },
  );
/** A row of one file; few of them are broken, since the trainer stops at the first of a file. */
const broken = fc.constantFrom(
  ...[{ messages: [] }, { messages: [{ role: "user", content: "a" }] }],
  { messages: [{ role: "user" }, { role: "assistant", content: "a" }] },
);
const file = (calls: number) =>
  fc.array(fc.oneof({ weight: 60, arbitrary: row(calls) }, broken), {
    minLength: ROWS,
    maxLength: ROWS,
  });

describe("random conversations", () => {
  const { folder, write } = temporaryFolder();
  before(function () {
    skipWithoutTrainer(this);
    makeTinyModels(folder);
    for (const [name, chat_template] of Object.entries(TEMPLATES)) {
      const model = join(folder, name);
      cpSync(join(folder, "tiny-qwen2"), model, { recursive: true });
      const config = readTokenizer(model).tokenizerConfig;
      writeFileSync(
        join(model, "tokenizer_config.json"),
        JSON.stringify({ ...config, chat_template }),
      );
    }
  });

  it("have the same tokens and the same masks to client and trainer", async () => {
    const names = Object.keys(TEMPLATES) as (keyof typeof TEMPLATES)[];
    const files = names.flatMap((name) =>
      fc
        .sample(file(name === "tools" ? 2 : 0), { seed: SEED, numRuns: FILES / names.length })
        .map((rows) => ({
          path: write(".jsonl", jsonl(...rows)),
          kind: "causal-lm" as const,
          model: join(folder, name),
          maxLength: MAX_LENGTH,
        })),
    );
    const { rows } = await expectAgreement(files);
    expect(rows).to.be.at.least(5_000);
  });
});
