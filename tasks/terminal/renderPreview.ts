import { styleText } from "node:util";
import type { DatasetKind } from "../../sdk/dataset/formats/DatasetRow.ts";
import type {
  PreviewRow,
  PreviewText,
  PreviewToken,
} from "../../sdk/dataset/preview/PreviewRow.ts";
import { printable } from "../../sdk/printable.ts";
import { counted } from "./counted.ts";
import { describeProblem, describeRule } from "./datasetProblems.ts";
import { LINE_END, SPACE, showWhiteSpace, TAB } from "./showWhiteSpace.ts";
import type { Canvas } from "./Terminal.ts";
import { type Piece, wrapPieces } from "./wrapPieces.ts";
import { wrapWords } from "./wrapWords.ts";

const INDENT = "  ";
/** Number of tokens after the cut that are shown. */
const SHOWN_CUT = 40;

type State = "learned" | "read" | "cut";

interface StyledPiece extends Piece {
  readonly state: State;
  readonly special: boolean;
}

const COLORS = { learned: "green", read: "dim", cut: "red" } as const;

/** Says once how the rows are to be read. */
export function renderLegend(kind: DatasetKind, canvas: Canvas): string {
  return wrapWords(legend(kind, canvas), widthOf(canvas)).join("\n");
}

function legend(kind: DatasetKind, { colors }: Canvas): string {
  if (kind === "image-classification") return "The model learns the class of each image.";
  const signs = `${SPACE} is a space at an edge, ${LINE_END} the end of a line, ${TAB} a tab`;
  const special = colors
    ? `${style("underline", "what is underlined")} is a control token`
    : "control tokens are written out";
  const rest = `${signs}; ${special}.`;
  if (kind === "text-classification") {
    return `The model reads the text and learns its label. ${rest}`;
  }
  const learned = colors ? style("green", "what is green") : "‹what is in brackets›";
  const read = colors ? style("dim", "the rest") : "the rest";
  return `The model learns ${learned} and only reads ${read}. ${rest}`;
}

/** One row as the model sees it: a line about it, then its text. */
export function renderPreview(path: string, row: PreviewRow, canvas: Canvas): string {
  const indented = (text: string) =>
    wrapWords(text, widthOf(canvas) - INDENT.length).join(`\n${INDENT}`);
  if (row.format === undefined) return row.problems.map(describeProblem).map(indented).join("\n");
  const header = `${path}:${row.entry ?? row.line} (${row.format}): ${describe(row)}`;
  const bold = canvas.colors ? style("bold", indented(header)) : indented(header);
  const problems = row.problems.map((found) => INDENT + indented(describeRule(found)));
  const texts = row.texts.flatMap((text) => renderText(text, canvas));
  return [bold, ...problems, ...texts, ...renderLabel(row, canvas)].join("\n");
}

function describe({ texts, label, image }: PreviewRow): string {
  if (image) {
    const size = `${image.width} x ${image.height} pixels, ${counted(image.bytes, "byte")}`;
    return `class ${printable(label!)}, ${size}`;
  }
  if (texts.length === 0) return "no tokens";
  return texts.length > 1 ? "two answers" : describeSize(texts[0]!.tokens, label);
}

function describeSize(tokens: readonly PreviewToken[], label?: string): string {
  const count = (what: "learned" | "cut") =>
    tokens.filter((token) => token[what]).length.toLocaleString("en");
  const learned = label === undefined ? `${count("learned")} learned, ` : "";
  return `${counted(tokens.length, "token")}, ${learned}${count("cut")} cut`;
}

function renderLabel({ texts, label }: PreviewRow, canvas: Canvas): string[] {
  if (label === undefined || texts.length === 0) return [];
  const shown = printable(label);
  return [heading(`label: ${canvas.colors ? style("green", shown) : `‹${shown}›`}`)];
}

function renderText({ answer, tokens }: PreviewText, canvas: Canvas): string[] {
  const title = answer === undefined ? [] : [heading(`${answer}: ${describeSize(tokens)}`)];
  const kept = tokens.filter(({ cut }) => !cut);
  const cut = tokens.slice(kept.length);
  return [...title, ...renderTokens(kept, canvas), ...renderCut(cut, kept.length, canvas)];
}

function renderCut(cut: readonly PreviewToken[], kept: number, canvas: Canvas): string[] {
  if (cut.length === 0) return [];
  const more = cut.length - SHOWN_CUT;
  return [
    heading(`cut after ${counted(kept, "token")}; the model does not see:`),
    ...renderTokens(cut.slice(0, SHOWN_CUT), canvas),
    ...(more > 0 ? [heading(`and ${counted(more, "more token")}`)] : []),
  ];
}

/** A line about a text, which looks unlike one of its own. */
const heading = (words: string) => `${INDENT}── ${words} ──`;

function renderTokens(tokens: readonly PreviewToken[], canvas: Canvas): string[] {
  if (tokens.length === 0) return [];
  const pieces = runsOf(tokens).flatMap((run) => piecesOf(run, canvas));
  return wrapPieces(pieces, widthOf(canvas) - INDENT.length).map(
    (line) => INDENT + (canvas.colors ? paint(line) : line.map(({ text }) => text).join("")),
  );
}

interface Run {
  readonly state: State;
  readonly tokens: PreviewToken[];
}

/** Consecutive tokens of one state. */
function runsOf(tokens: readonly PreviewToken[]): Run[] {
  const runs: Run[] = [];
  for (const token of tokens) {
    const state = stateOf(token);
    const last = runs.at(-1);
    if (last?.state === state) last.tokens.push(token);
    else runs.push({ state, tokens: [token] });
  }
  return runs;
}

function stateOf({ learned, cut }: PreviewToken): State {
  if (cut) return "cut";
  return learned ? "learned" : "read";
}

/** The tokens of a run; without colours, brackets are around those that are learned. */
function piecesOf({ state, tokens }: Run, { colors }: Canvas): StyledPiece[] {
  const shown = showAll(tokens);
  if (state === "learned" && !colors) {
    shown[0] = `‹${shown[0]}`;
    shown[shown.length - 1] = shown.at(-1)!.replace(/\n?$/, "›$&");
  }
  return tokens.flatMap(({ special }, index) =>
    shown[index]!.split(/(?<=\n)/)
      .filter((part) => part !== "")
      .map((part) => ({
        ...{ state, special, text: part.replace("\n", "") },
        endsLine: part.endsWith("\n"),
      })),
  );
}

/** The tokens' texts with visible white space, which is at an edge beside a special token, too. */
function showAll(tokens: readonly PreviewToken[]): string[] {
  const edge = (token: PreviewToken) => (token.special ? "\n" : token.text);
  const whole = tokens.map(edge).join("");
  let place = 0;
  return tokens.map((token) => {
    const begin = place;
    place += edge(token).length;
    return token.special ? printable(token.text) : showWhiteSpace(whole, begin, place);
  });
}

function paint(line: readonly StyledPiece[]): string {
  const looks: { state: State; special: boolean; text: string }[] = [];
  for (const { state, special, text } of line) {
    const last = looks.at(-1);
    if (last?.state === state && last.special === special) last.text += text;
    else looks.push({ state, special, text });
  }
  return looks
    .map(({ state, special, text }) =>
      style(special ? [COLORS[state], "underline"] : COLORS[state], text),
    )
    .join("");
}

type Format = Parameters<typeof styleText>[0];

/** The canvas says whether there are colours, not the stream. */
const style = (format: Format, text: string) => styleText(format, text, { validateStream: false });

const widthOf = ({ columns = Number.POSITIVE_INFINITY }: Canvas) => columns;
