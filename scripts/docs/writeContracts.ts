import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Fragment } from "ethers";

interface Doc {
  readonly notice?: string;
  readonly details?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly returns?: Readonly<Record<string, string>>;
}

type Kind = "function" | "event" | "error";

/** The compiler's output for the NatSpec of one contract; devdoc and userdoc have the same shape, errors in lists. */
interface Documentation {
  readonly title?: string;
  readonly notice?: string;
  readonly details?: string;
  readonly methods?: Readonly<Record<string, Doc>>;
  readonly events?: Readonly<Record<string, Doc>>;
  readonly errors?: Readonly<Record<string, readonly Doc[]>>;
}

const HEADINGS: readonly (readonly [Kind, string])[] = [
  ["function", "Functions"],
  ["event", "Events"],
  ["error", "Errors"],
];

/** Writes one page per interface, from the NatSpec in the build output. */
export function writeContracts(root: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const names = readdirSync(join(root, "contracts/interfaces")).map((file) =>
    basename(file, ".sol"),
  );
  for (const name of names) writeFileSync(join(folder, `${name}.md`), renderContract(root, name));
  const list = names.map((name) => `- [${name}](${name}.md)`).join("\n");
  writeFileSync(join(folder, "index.md"), `# Contracts\n\n${list}\n`);
}

function renderContract(root: string, name: string): string {
  const artifacts = join(root, "artifacts");
  const source = `contracts/interfaces/${name}.sol`;
  const { abi, buildInfoId, inputSourceName } = readJson(
    join(artifacts, source, `${name}.json`),
  ) as { abi: object[]; buildInfoId: string; inputSourceName: string };
  const { output } = readJson(join(artifacts, "build-info", `${buildInfoId}.output.json`)) as {
    output: {
      contracts: Record<string, Record<string, { devdoc: Documentation; userdoc: Documentation }>>;
    };
  };
  const { devdoc, userdoc } = output.contracts[inputSourceName]![name]!;
  const fragments = abi.map((entry) => Fragment.from(entry));
  const sections = HEADINGS.flatMap(([kind, heading]) => {
    const own = fragments.filter(({ type }) => type === kind);
    if (own.length === 0) return [];
    return [`## ${heading}`, ...own.map((each) => renderEntry(each, kind, devdoc, userdoc))];
  });
  const introduction = [userdoc.notice, devdoc.details].filter((text) => text !== undefined);
  return `${[`# ${name}`, devdoc.title ?? "", ...introduction.map(plain), ...sections].join("\n\n")}\n`;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

function renderEntry(
  fragment: Fragment,
  kind: Kind,
  devdoc: Documentation,
  userdoc: Documentation,
): string {
  const signature = fragment.format("sighash");
  const { notice, details, params, returns } = {
    ...find(userdoc, kind, signature),
    ...find(devdoc, kind, signature),
  };
  const name = signature.slice(0, signature.indexOf("("));
  const parts = [
    `### ${name}`,
    `\`\`\`solidity\n${fragment.format("full")};\n\`\`\``,
    notice && plain(notice),
    details && plain(details),
    renderNames("parameter", params),
    renderNames("result", returns),
  ];
  return parts.filter((part) => part).join("\n\n");
}

function find(documentation: Documentation, kind: Kind, signature: string): Doc | undefined {
  if (kind === "error") return documentation.errors?.[signature]?.[0];
  return (kind === "event" ? documentation.events : documentation.methods)?.[signature];
}

function renderNames(heading: string, names: Readonly<Record<string, string>> = {}): string {
  const rows = Object.entries(names).map(
    ([name, meaning]) => `| \`${name}\` | ${plain(meaning).replaceAll("|", "\\|")} |`,
  );
  return rows.length === 0 ? "" : [`| ${heading} | |`, "|---|---|", ...rows].join("\n");
}

/** Escapes NatSpec, which is plain text, so that Markdown does not treat it as tags. */
const plain = (text: string) => text.replaceAll("<", "&lt;").replaceAll("{{", "&#123;&#123;");
