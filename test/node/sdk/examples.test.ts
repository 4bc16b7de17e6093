import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";

/** Every verb of the SDK has an example, and the examples compile; every type in its signature can be named. */

const ROOT = resolve(import.meta.dirname, "../../..");
const CACHE = join(ROOT, "cache");
const MAIN = join(ROOT, "sdk/index.ts");
const NOUNS = "account service task order deliverable storage exchange dataset training".split(" ");
const BARRELS = [MAIN, ...NOUNS.map((noun) => join(ROOT, `sdk/${noun}/index.ts`))];

/** What examples assume. */
const GIVEN = `
import type * as sdk from "../../sdk/index.ts";
import type * as dataset from "../../sdk/dataset/index.ts";
import type * as exchange from "../../sdk/exchange/index.ts";
import type * as storage from "../../sdk/storage/index.ts";
declare global {
  const client: sdk.Client;
  const privateKey: string;
  const user: string;
  const provider: string;
  const service: sdk.Service;
  const terms: sdk.ServiceTerms;
  const model: sdk.CatalogueModel;
  const catalogue: sdk.Catalogue;
  const id: sdk.TaskId;
  const root: sdk.Root;
  const task: sdk.Task;
  const order: sdk.TaskOrder;
  const units: bigint;
  const reason: sdk.FailReason;
  const consent: sdk.SettlementConsent;
  const delivery: sdk.Delivery;
  const proof: sdk.MisbehaviourProof;
  const chunkProof: exchange.ChunkProof;
  const page: number;
  const key: string;
  const blindRoot: string;
  const contentRoot: string;
  const hfApiToken: string;
  const content: storage.Content;
  const file: exchange.SealedFile;
  const u: Uint8Array;
  const s: Uint8Array;
  const secret: Uint8Array;
  const sealed: Uint8Array;
  const signature: Uint8Array;
  function sign(contentHash: Uint8Array): Promise<Uint8Array>;
  const tokenizer: dataset.TokenizerDocument;
}
`;
/** What examples import besides the SDK. */
const LIBRARIES = [
  `import { readFile, writeFile } from "node:fs/promises";`,
  `import { getBytes, hexlify, randomBytes } from "ethers";`,
];

interface Export {
  readonly name: string;
  readonly isType: boolean;
  /** Path of the file that declares it. */
  readonly file: string;
}

interface Example {
  readonly name: string;
  readonly file: string;
  readonly code: string;
}

const DECLARATION =
  /^export (?:declare )?(?:async )?(function\*?|const|class|interface|type) ?(\w+)/gm;

/** The exports of a barrel, its own and those of the files that it re-exports. */
function exportsOf(barrel: string): Export[] {
  const text = readFileSync(barrel, "utf8");
  const declared = [...text.matchAll(DECLARATION)].map(([, kind, name]) => ({
    name: name!,
    isType: kind === "interface" || kind === "type",
    file: barrel,
  }));
  const all = [...text.matchAll(/^export \* from "([^"]+)"/gm)].flatMap(([, path]) =>
    exportsOf(join(dirname(barrel), path!)),
  );
  const some = [...text.matchAll(/^export (type )?\{([^}]+)\} from "([^"]+)"/gm)];
  const named = some.flatMap(([, typeOnly, names, path]) =>
    [...names!.matchAll(/(type )?(\w+)/g)].map(([, type, name]) => ({
      name: name!,
      isType: Boolean(typeOnly ?? type),
      file: join(dirname(barrel), path!),
    })),
  );
  return [...declared, ...all, ...named];
}

/** The functions among the exports, with the comments above them. */
function verbsOf(barrel: string) {
  return exportsOf(barrel).flatMap(({ name, isType, file }) => {
    const source = readFileSync(file, "utf8");
    const match = new RegExp(`^export (?:async )?function\\*? ?${name}\\b`, "m").exec(source);
    if (isType || !match) return [];
    const before = source.slice(0, match.index);
    const comment = before.endsWith("*/\n") ? before.slice(before.lastIndexOf("/**")) : "";
    return [{ name, file, comment }];
  });
}

/** The code after @example, up to the next tag or the comment's end. */
function exampleIn(comment: string): string | undefined {
  const text = comment.replace(/^\/\*\*|\*\/\s*$/g, "").replaceAll(/^ *\* ?/gm, "");
  return /^@example\s+([\s\S]+?)(?=^@|$(?![\s\S]))/m.exec(text)?.[1]?.trimEnd();
}

const examplesOf = (barrel: string): Example[] =>
  verbsOf(barrel).flatMap(({ name, file, comment }) => {
    const code = exampleIn(comment);
    return code === undefined ? [] : [{ name, file, code }];
  });

/** One module with all examples of a barrel, with the exports of the SDK and the noun in scope. */
function moduleOf(barrel: string, examples: readonly Example[]): string {
  const seen = new Set<string>();
  const imports = [...new Set([MAIN, barrel])].map((path) => {
    const names = exportsOf(path)
      .filter(({ name, isType }) => !isType && !seen.has(name))
      .map(({ name }) => name);
    for (const name of names) seen.add(name);
    return `import { ${[...new Set(names)].join(", ")} } from "../../${relative(ROOT, path)}";`;
  });
  const bodies = examples.map(
    ({ name, file, code }) => `// ${relative(ROOT, file)}: ${name}\nasync () => {\n${code}\n};`,
  );
  return [...imports, ...LIBRARIES, ...bodies].join("\n");
}

/** Compiles modules in a separate folder, two levels below the root, and passes the result to `read`. */
async function compile<T>(
  modules: Readonly<Record<string, string>>,
  read: (errors: string[], folder: string) => T,
): Promise<T> {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "examples-"));
  try {
    const options = {
      ...{ noUnusedLocals: false, noUnusedParameters: false },
      ...{ noEmit: false, emitDeclarationOnly: true, declaration: true },
      ...{ rootDir: "../..", outDir: "out" },
      paths: { "anneal/sdk": ["../../sdk/index.ts"], "anneal/sdk/*": ["../../sdk/*/index.ts"] },
    };
    const config = {
      extends: "../../tsconfig.json",
      compilerOptions: options,
      include: ["*.ts", "../../sdk"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ ...config, exclude: ["out"] }));
    writeFileSync(join(folder, "given.d.ts"), GIVEN);
    for (const [name, text] of Object.entries(modules)) writeFileSync(join(folder, name), text);
    return read(await errorsOf(folder), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The compiler's errors, each with the comment above the example that it is in. */
function errorsOf(folder: string): Promise<string[]> {
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  return new Promise((done) => {
    execFile(tsc, ["-p", folder, "--pretty", "false"], { cwd: folder }, (error, output) => {
      const lines = output.split("\n").filter((line) => /error TS/.test(line));
      done(error && lines.length === 0 ? [String(error)] : lines.map((line) => at(folder, line)));
    });
  });
}

function at(folder: string, error: string): string {
  const [, name, line] = /^([^(]+)\((\d+),/.exec(error) ?? [];
  if (!name) return error;
  const above = readFileSync(join(folder, name), "utf8").split("\n").slice(0, Number(line));
  return `${above.findLast((text) => text.startsWith("// "))?.slice(3)} ${error}`;
}

const programs = () =>
  [...readFileSync(join(ROOT, "docs/sdk.md"), "utf8").matchAll(/^```ts\n([\s\S]+?)^```/gm)].map(
    ([, code]) => code!,
  );

/** The declarations that are emitted for a file of the SDK. */
const declarationsOf = (folder: string, file: string) =>
  readFileSync(join(folder, "out", relative(ROOT, file).replace(/\.ts$/, ".d.ts")), "utf8")
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .split(/^(?=export |import |interface |type |declare )/m);

/** Types of the SDK that a barrel's exports mention, and that neither it nor sdk/index.ts exports. */
function unnameable(folder: string, barrel: string): string[] {
  const exported = exportsOf(barrel).filter(({ file }) => file.startsWith(join(ROOT, "sdk/")));
  const nameable = new Set([...exported, ...exportsOf(MAIN)].map(({ name }) => name));
  return exported.flatMap(({ name, file }) => {
    const statements = declarationsOf(folder, file);
    const declares = new RegExp(`^export (?:declare )?(?:\\w+)\\*? ${name}\\b`);
    const own = statements.filter((text) => declares.test(text));
    const known = statements.flatMap((text) => {
      const imported = /^import .*\{([^}]+)\} from "\./.exec(text)?.[1]?.match(/\w+/g) ?? [];
      const hidden = /^(?:declare )?(?:interface|type) (\w+)/.exec(text)?.[1];
      return [...imported.filter((word) => word !== "type"), ...(hidden ? [hidden] : [])];
    });
    const inferred = own.flatMap((text) => text.match(/(?<=import\("\.[^"]*"\)\.)\w+/g) ?? []);
    const missing = [...known, ...inferred].filter((type) => !nameable.has(type));
    return missing
      .filter((type) => own.some((text) => new RegExp(`\\b${type}\\b`).test(text)))
      .map((type) => `${relative(ROOT, file)}: ${name} mentions ${type}`);
  });
}

describe("examples of the SDK", () => {
  it("exist for every verb", () => {
    const verbs = BARRELS.flatMap(verbsOf);
    expect(verbs.length).to.be.greaterThan(100);
    const bare = verbs.filter(({ comment }) => exampleIn(comment) === undefined);
    expect(bare.map(({ name }) => name)).to.deep.equal([]);
  });

  it("compile, and so does the documentation; every type in a signature has a name", async () => {
    const nouns = BARRELS.map((barrel) => [
      `${relative(ROOT, dirname(barrel)).replace("/", "-")}.ts`,
      moduleOf(barrel, examplesOf(barrel)),
    ]);
    const pages = programs().map((code, index) => [`page${index}.ts`, code]);
    expect(pages).to.not.have.length(0);
    await compile(Object.fromEntries([...nouns, ...pages]), (errors, folder) => {
      expect(errors).to.deep.equal([]);
      expect(BARRELS.flatMap((barrel) => unnameable(folder, barrel))).to.deep.equal([]);
    });
  }).timeout(60_000);

  it("do not compile with an unknown field", async () => {
    const code = "await getTask(client, { taskId: id });";
    const broken = [{ name: "getTask", file: MAIN, code }];
    await compile({ "broken.ts": moduleOf(MAIN, broken) }, (errors) => {
      expect(errors).to.have.length(1);
      expect(errors[0]).to.match(/^sdk\/index\.ts: getTask .*'taskId' does not exist/);
    });
  }).timeout(60_000);
});
