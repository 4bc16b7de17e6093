/** Builds the npm package into dist/: JavaScript with its declarations, the trainer, the ABIs. `npm run build`. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { transformSync } from "esbuild";

const ROOT = resolve(import.meta.dirname, "../..");
const DIST = join(ROOT, "dist");
const ABIS = { ledgerAbi: "ILedger", fineTuningServingAbi: "IFineTuningServing" };
/** Files that are copied unchanged. */
const COPIED = [
  "sdk/storage/tree/hashThread.mjs",
  "provider/trainer/environment.mjs",
  "provider/trainer/runProgram.mjs",
  "provider/trainer/showStep.mjs",
  "provider/trainer/requirements.txt",
  "provider/trainer/anneal_online",
  "provider/trainer/anneal_trainer",
];

/** Started by their paths, which no module imports. */
const THREADS = ["dist/sdk/dataset/tokenizer/measureThread.js"];

if (import.meta.main) build();

/** @returns the folder of the package. */
export function build(): string {
  rmSync(DIST, { recursive: true, force: true });
  run("node_modules/.bin/hardhat", "build", "--quiet"); // the ABIs, and the types generated from them
  run("node_modules/.bin/tsc", "-p", "scripts/package"); // comments are only in the declarations
  run("node_modules/.bin/tsc", "-p", "scripts/package/tsconfig.declarations.json");
  for (const path of COPIED) {
    cpSync(join(ROOT, path), join(DIST, path), {
      recursive: true,
      dereference: true,
      filter: (source) => !source.includes("__pycache__"),
    });
  }
  writeAbis();
  prune();
  minifyWhitespace();
  chmodSync(join(DIST, "bin/anneal.js"), 0o755);
  return DIST;
}

/** Removes modules that no entry point imports: empty ones with only types, and declarations of internal modules. */
function prune(): void {
  const { bin, exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const entries = Object.values<{ types?: string; default?: string }>(exports);
  const code = reachable([
    ...Object.values<string>(bin),
    ...entries.map((each) => each.default),
    ...THREADS,
  ]);
  const types = reachable(
    entries.map((each) => each.types),
    ".d.ts",
  );
  for (const name of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
    const path = join(DIST, name);
    if (/\.(js|d\.ts)$/.test(name) && !code.has(path) && !types.has(path)) rmSync(path);
  }
}

/** The modules that the entries import, directly or indirectly. */
function reachable(entries: readonly (string | undefined)[], ending = ".js"): Set<string> {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path) || !existsSync(path)) return;
    found.add(path);
    const text = readFileSync(path, "utf8");
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g))
      visit(join(dirname(path), specifier!.replace(/\.[jt]s$/, ending)));
  };
  for (const entry of entries) if (entry) visit(join(ROOT, entry));
  return found;
}

/** Names and structure are kept, so that stack traces are readable. */
function minifyWhitespace(): void {
  for (const name of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js")) continue;
    const path = join(DIST, name);
    const { code } = transformSync(readFileSync(path, "utf8"), {
      ...{ minifyWhitespace: true, charset: "utf8", target: "esnext" },
    });
    writeFileSync(path, code);
  }
}

function run(command: string, ...args: string[]): void {
  const PATH = `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`;
  const { status } = spawnSync(join(ROOT, command), args, {
    ...{ cwd: ROOT, stdio: ["ignore", 2, 2], env: { ...process.env, PATH } },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed.`);
}

/** `as const`, so that viem and ethers know every function, its parameters and what it returns. */
function writeAbis(): void {
  const read = (name: string) => {
    const path = join(ROOT, `artifacts/contracts/interfaces/${name}.sol/${name}.json`);
    return JSON.parse(readFileSync(path, "utf8")).abi;
  };
  const abis = Object.entries(ABIS).map(([name, contract]) => [name, read(contract)] as const);
  mkdirSync(DIST, { recursive: true });
  const values = abis.map(([name, abi]) => `export const ${name} = ${JSON.stringify(abi)};\n`);
  writeFileSync(join(DIST, "abi.js"), values.join(""));
  const types = abis.map(([name, abi]) => `export declare const ${name}: ${typeOf(abi)};\n`);
  writeFileSync(join(DIST, "abi.d.ts"), types.join(""));
}

/** The type of a JSON value as TypeScript infers it for `as const`. */
function typeOf(value: unknown): string {
  if (Array.isArray(value)) return `readonly [${value.map(typeOf).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, each]) => `readonly ${name}: ${typeOf(each)}`);
  return `{ ${fields.join("; ")} }`;
}
