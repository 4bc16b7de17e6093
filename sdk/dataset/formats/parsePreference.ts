import { exactJson } from "../jinja/json.ts";
import { checkText, type Fields } from "./checkText.ts";
import type { Content, Message, PreferenceRow } from "./DatasetRow.ts";
import { type Finding, isError } from "./Finding.ts";
import { checkAnswers, parseConversation, parseMessageList } from "./parseMessages.ts";
import { checkCallIds, parseTools } from "./parseTools.ts";

const KEYS = {
  preference: { prompt: "prompt", chosen: "chosen", rejected: "rejected" },
  preferred_output: {
    prompt: "input.messages",
    chosen: "preferred_output",
    rejected: "non_preferred_output",
  },
} as const;

/** Parses a prompt with a preferred and a rejected answer: three texts, or three lists of messages. */
export function parsePreference(
  fields: Fields,
  format: PreferenceRow["format"],
  findings: Finding[],
): PreferenceRow {
  const keys = KEYS[format];
  const before = findings.length;
  const isSound = () => !findings.slice(before).some(isError);
  const opened = format === "preferred_output" ? openInput(fields, findings) : fields;
  const row =
    format === "preference" && !("prompt" in fields)
      ? parseSharedPrompt(fields, findings)
      : parseParts(opened, keys, findings);
  const tools = parseTools(opened, findings, format === "preferred_output" ? "input." : "");
  for (const [key, answer] of [
    [keys.chosen, row.chosen],
    [keys.rejected, row.rejected],
  ] as const) {
    if (isSound() && typeof answer !== "string") {
      checkCallIds([...(row.prompt as readonly Message[]), ...answer], key, findings);
    }
  }
  if (
    isSound() &&
    JSON.stringify(row.chosen, exactJson) === JSON.stringify(row.rejected, exactJson)
  ) {
    const message = `${keys.chosen} and ${keys.rejected} are the same.`;
    findings.push({ rule: "same-answers", message });
  }
  return { format, ...row, ...(tools && { tools }) };
}

type Parts = Pick<PreferenceRow, "prompt" | "chosen" | "rejected">;

function parseParts(
  fields: Fields,
  keys: (typeof KEYS)[PreferenceRow["format"]],
  findings: Finding[],
): Parts {
  if (keys.prompt === "prompt" && typeof fields.prompt === "string") {
    return {
      prompt: checkText(fields, keys.prompt, "empty-text", findings),
      chosen: checkText(fields, keys.chosen, "empty-answer", findings),
      rejected: checkText(fields, keys.rejected, "empty-answer", findings),
    };
  }
  return {
    prompt: parseMessageList(fields[keys.prompt], keys.prompt, findings),
    chosen: parseConversation(fields[keys.chosen], keys.chosen, findings),
    rejected: parseConversation(fields[keys.rejected], keys.rejected, findings),
  };
}

/** Without a prompt, both answers are whole conversations, which begin with the same messages. */
function parseSharedPrompt(fields: Fields, findings: Finding[]): Parts {
  const before = findings.length;
  const chosen = parseMessageList(fields.chosen, "chosen", findings);
  const rejected = parseMessageList(fields.rejected, "rejected", findings);
  const nothing: Content = [];
  if (findings.slice(before).some(isError)) return { prompt: nothing, chosen, rejected };
  const shared = countShared(chosen, rejected);
  if (shared === 0) {
    const message = "The row has no prompt, and chosen and rejected begin with different messages.";
    findings.push({ rule: "missing-field", message });
  }
  const answers = [chosen.slice(shared), rejected.slice(shared)] as const;
  for (const [index, key] of ["chosen", "rejected"].entries()) {
    if (shared > 0) checkAnswers(answers[index]!, key, findings);
  }
  return { prompt: chosen.slice(0, shared), chosen: answers[0], rejected: answers[1] };
}

/** The number of messages that both begin with, at most all but the last. */
function countShared(one: readonly Message[], other: readonly Message[]): number {
  const most = Math.min(one.length, other.length) - 1;
  const write = (message: Message | undefined) => JSON.stringify(message, exactJson);
  let shared = 0;
  while (shared < most && write(one[shared]) === write(other[shared])) shared += 1;
  return shared;
}

/** The keys of `input` beside those of the row; its messages are under their path. */
function openInput(fields: Fields, findings: Finding[]): Fields {
  const { input, ...rest } = fields;
  const isObject = typeof input === "object" && input !== null && !Array.isArray(input);
  const { messages, tools, functions, parallel_tool_calls: _, ...others } = Object(input) as Fields;
  if (isObject && messages !== undefined && Object.keys(others).length === 0) {
    return {
      ...rest,
      "input.messages": messages,
      ...(tools !== undefined && { tools }),
      ...(functions !== undefined && { functions }),
    };
  }
  const message = 'input is not an object of the form {"messages": […]}.';
  findings.push({ rule: "bad-messages", message });
  return { ...rest, "input.messages": [{ role: "user", content: "unknown" }] };
}
