import { expect } from "chai";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { before, describe, it } from "mocha";
import type { RuleId } from "../../../sdk/dataset/formats/rules.ts";
import { temporaryFolder } from "../sdk/dataset/temporaryFolder.ts";
import { runCommand } from "./runCommand.ts";

type Case = readonly [says: string, content: string | Uint8Array, ...places: Place[]];
/** "line rule". */
type Place = `${number} ${RuleId}`;

const GOOD = '{"prompt":"1+1=","completion":"2"}';
const CHAT = '{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]}';
const TEXT = '{"text":"fine"}';
const LABELS = '{"text":"good","label":1}\n{"text":"bad","label":0}';
const chat = (...messages: unknown[]) => JSON.stringify({ messages });
const user = { role: "user", content: "Hi" };
const assistant = { role: "assistant", content: "Hello" };
const second = (row: string) => `${GOOD}\n${row}\n`;
const third = (row: string) => `${LABELS}\n${row}\n`;

/** Common mistakes, each in the file type in which people make it. */
const MALFORMED: Readonly<Record<string, readonly Case[]>> = {
  ".jsonl": [
    ["an empty file", "", "1 no-rows"],
    ["white space alone", "\n\n \n", "1 no-rows"],
    [
      "Latin-1 instead of UTF-8",
      Buffer.from(`${GOOD}\n{"text":"caf\xe9"}\n`, "latin1"),
      "2 not-utf-8",
    ],
    ["a blank line in the middle", `${GOOD}\n\n${GOOD.replace("1+1", "1+2")}\n`, "2 blank-line"],
    ["a word instead of JSON", second("hello"), "2 invalid-json"],
    ["single quotation marks", second("{'prompt':'a','completion':'b'}"), "2 invalid-json"],
    ["keys without quotation marks", second('{prompt:"a",completion:"b"}'), "2 invalid-json"],
    [
      "a comma at the end of an object",
      second('{"prompt":"a","completion":"b",}'),
      "2 invalid-json",
    ],
    ["an object that is not closed", second('{"prompt":"a","completion":"b"'), "2 invalid-json"],
    ["two objects on a line", second(`${GOOD} ${GOOD}`), "2 invalid-json"],
    ["NaN", second('{"prompt":"a","completion":NaN}'), "2 invalid-json"],
    ["Python's None", second('{"prompt":"a","completion":None}'), "2 invalid-json"],
    ["a comment", second("// the second row"), "2 invalid-json"],
    ["a list on each line", '["a"]\n["b"]\n', "1 not-an-object"],
    ["half a character in a key", second('{"te\\ud83dxt":"b"}'), "2 half-character"],
    ["a string", second('"hello"'), "2 not-an-object"],
    ["a number", second("42"), "2 not-an-object"],
    ["null", second("null"), "2 not-an-object"],
    ["an empty object", second("{}"), "2 unknown-format"],
    ["keys of no format", second('{"question":"a","answer":"b"}'), "2 unknown-format"],
    ["keys in capitals", second('{"Prompt":"a","Completion":"b"}'), "2 unknown-format"],
    ["a prompt without a completion", second('{"prompt":"a"}'), "2 missing-field"],
    ["a completion without a prompt", second('{"completion":"b"}'), "2 missing-field"],
    ["an instruction without an output", '{"instruction":"Add","input":"1"}\n', "1 missing-field"],
    ["a key too many", second('{"prompt":"a","completion":"b","id":7}'), "2 unknown-field"],
    ["another format in the middle", second(TEXT), "2 mixed-formats"],
    ["a number for a text", second('{"prompt":"1+1=","completion":2}'), "2 wrong-type"],
    ["null for a text", second('{"prompt":null,"completion":"b"}'), "2 wrong-type"],
    ["a list for a text", '{"text":["a","b"]}\n', "1 wrong-type"],
    ["an empty text", `${TEXT}\n{"text":""}\n`, "2 empty-text"],
    ["an empty answer", second('{"prompt":"a","completion":""}'), "2 empty-answer"],
    ["an empty output", '{"instruction":"Add","input":"","output":""}\n', "1 empty-answer"],
    ["half a character", second('{"prompt":"\\ud83d","completion":"b"}'), "2 half-character"],
    ["messages that are a text", '{"messages":"Hi"}\n', "1 bad-messages"],
    ["no message", `${CHAT}\n${chat()}\n`, "2 bad-messages"],
    ["a message that is a text", `${chat("Hi", assistant)}\n`, "1 bad-message"],
    ["a message without a role", `${chat({ content: "Hi" }, assistant)}\n`, "1 bad-message"],
    ["a message without a content", `${chat({ role: "user" }, assistant)}\n`, "1 bad-message"],
    ["a message with another key", `${chat({ ...user, nick: "A" }, assistant)}\n`, "1 bad-message"],
    [
      "a role of elsewhere",
      `${chat({ role: "human", content: "Hi" }, assistant)}\n`,
      "1 unknown-role",
    ],
    ["a conversation without an answer", `${CHAT}\n${chat(user)}\n`, "2 no-assistant"],
    ["an answer that is empty", `${chat(user, { ...assistant, content: "" })}\n`, "1 empty-answer"],
    [
      "the same answer preferred and not",
      '{"prompt":"a","chosen":"b","rejected":"b"}\n',
      "1 same-answers",
    ],
    ["a preference without its opposite", '{"prompt":"a","chosen":"b"}\n', "1 missing-field"],
    [
      "several mistakes at once",
      `${GOOD}\nhello\n{"prompt":"a","completion":""}\n\n${TEXT}\n`,
      ...(["2 invalid-json", "3 empty-answer", "4 blank-line", "5 mixed-formats"] as const),
    ],
    ["a row without a label", third('{"text":"so-so"}'), "3 missing-label"],
    ["a label of null", third('{"text":"so-so","label":null}'), "3 missing-label"],
    ["a label that is a fraction", third('{"text":"so-so","label":0.5}'), "3 bad-label"],
    ["a label below 0", third('{"text":"so-so","label":-1}'), "3 bad-label"],
    ["a label that is a list", third('{"text":"so-so","label":[1]}'), "3 bad-label"],
    ["words among numbers", third('{"text":"so-so","label":"good"}'), "3 mixed-labels"],
    ["a number left out", third('{"text":"so-so","label":3}'), "3 label-gap"],
    ["one label only", '{"text":"good","label":0}\n{"text":"fine","label":0}\n', "2 one-label"],
    ["a label and no text", third('{"text":"","label":1}'), "3 empty-text"],
  ],
  ".csv": [
    ["a header alone", "text,label\n", "1 no-rows"],
    ["no header", "good,1\nbad,0\nfine,1\n", "1 bad-header"],
    ["other columns", "a,b\ngood,1\nbad,0\n", "1 bad-header"],
    ["a column too few", "text,label\ngood,1\nbad,0\nso-so\n", "4 column-count"],
    ["a comma that is not quoted", "text,label\ngood,1\nbad,0\nso, so,0\n", "4 column-count"],
    [
      "a quotation mark that is not closed",
      'text,label\ngood,1\nbad,0\n"so-so,0\n',
      "4 bad-quotes",
    ],
    ["something after a quoted field", 'text,label\ngood,1\nbad,0\n"so"-so,0\n', "4 bad-quotes"],
    ["no label", "text,label\ngood,1\nbad,0\nso-so,\n", "4 missing-label"],
    ["no text", "text,label\ngood,1\nbad,0\n,0\n", "4 empty-text"],
    ["one label for all", "text,label\ngood,1\nfine,1\n", "3 one-label"],
  ],
  ".tsv": [
    ["semicolons instead of tabs", "text;label\ngood;1\n", "1 bad-header", "2 column-count"],
    ["a column too many", "1\tgood\n0\tbad\n0\tbad\tvery\n", "3 column-count"],
    ["a number left out", "0\tbad\n1\tgood\n3\tbest\n", "3 label-gap"],
    ["a label that is a word among numbers", "0\tbad\n1\tgood\nfine\tso-so\n", "3 bad-label"],
  ],
  ".txt": [["an ending that says nothing", "fine\n", "1 file-type"]],
};

describe("tasks: check-data on malformed datasets", () => {
  const files = temporaryFolder();
  let hre: HardhatRuntimeEnvironment;
  before(async () => {
    hre = (await import("hardhat")).default as HardhatRuntimeEnvironment;
  });

  it("covers at least sixty", () => {
    expect(Object.values(MALFORMED).flat().length).to.be.at.least(60);
  });

  for (const [ending, cases] of Object.entries(MALFORMED)) {
    for (const [says, content, ...places] of cases) {
      it(`${ending}: ${says}: ${places.join(", ")}`, async () => {
        const dataPath = files.write(ending, content);
        const { stdout, exitCode } = await runCommand(hre, "check-data", { dataPath });
        expect(exitCode, stdout).to.equal(3);
        const errors = [...stdout.matchAll(/^(.+):(\d+): error ([\w-]+): (.+)$/gm)];
        const found = errors.map(([, path, line, rule]) => `${path} ${line} ${rule}`);
        expect(found).to.deep.equal(places.map((place) => `${dataPath} ${place}`));
        for (const [, , , , words] of errors) expect(words).to.match(/\.( |$)/);
      });
    }
  }
});
