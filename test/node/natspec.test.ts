import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { before, describe, it } from "mocha";
import { type AstNode, compile } from "../../scripts/contracts/solc.ts";

/**
 * Every declaration of the contracts is documented, with units. The compiler refuses NatSpec about missing elements;
 * this finds elements without NatSpec.
 */

const ROOT = resolve(import.meta.dirname, "../..");

interface Declaration {
  readonly node: AstNode;
  /** File and name. */
  readonly name: string;
  /** The NatSpec above it, without the slashes. */
  readonly doc: string;
}

function readDeclarations(): Declaration[] {
  const files = readdirSync(join(ROOT, "contracts"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sol"))
    .map((name) => join("contracts", name));
  const { sources } = compile(files, { outputSelection: { "*": { "": ["ast"] } } });
  return files.flatMap((file) => declarationsIn(sources[file]!.ast, file));
}

function declarationsIn({ nodes = [] }: AstNode, file: string): Declaration[] {
  return (nodes as AstNode[]).flatMap((node) => [
    {
      node,
      name: `${file}: ${node.name || node.kind}`,
      doc: (node.documentation as { text: string } | null | undefined)?.text ?? "",
    },
    ...declarationsIn(node, file),
  ]);
}

/** The undocumented parameters and return values of a declaration. */
function undocumented({ node, doc, name }: Declaration): string[] {
  const parametersOf = (list: unknown) =>
    (list as { parameters: { name: string }[] } | undefined)?.parameters ?? [];
  const parameters = parametersOf(node.parameters)
    .filter((parameter) => !new RegExp(`@param ${parameter.name} +\\S`).test(doc))
    .map((parameter) => `${name}: ${parameter.name}`);
  const returns = [...doc.matchAll(/@return +\S/g)].length;
  const values = parametersOf(node.returnParameters).length;
  return returns === values ? parameters : [...parameters, `${name}: ${values} values returned`];
}

/** The fields of a struct, or the values of an enum, without a comment on their line. */
function uncommented({ node, name }: Declaration): string[] {
  const source = readFileSync(join(ROOT, name.split(":")[0]!));
  return (node.members as AstNode[])
    .filter(({ src }) => {
      const start = Number(src.split(":")[0]);
      const line = source.subarray(start, source.indexOf("\n", start)).toString();
      return !/\/\/ \S/.test(line);
    })
    .map((member) => `${name}: ${member.name}`);
}

const names = (declarations: readonly Declaration[]) => declarations.map(({ name }) => name);

describe("NatSpec", () => {
  /** All but those that inherit their NatSpec from an interface. */
  let own: readonly Declaration[];
  before(() => {
    own = readDeclarations().filter(({ doc }) => !/@inheritdoc \w/.test(doc));
  });

  const all = (...types: string[]) => own.filter(({ node }) => types.includes(node.nodeType));

  it("has a notice for everything that people read about", () => {
    const read = [
      ...all("ContractDefinition", "StructDefinition", "EnumDefinition"),
      ...all("FunctionDefinition", "ModifierDefinition"),
      ...all("VariableDeclaration").filter(({ node }) => node.visibility === "public"),
    ];
    expect(read.length).to.be.greaterThan(150);
    expect(names(read.filter(({ doc }) => !/@notice \S/.test(doc)))).to.deep.equal([]);
  });

  it("describes each parameter and each return value", () => {
    const called = all("FunctionDefinition", "ModifierDefinition");
    const silent = [...called, ...all("EventDefinition", "ErrorDefinition")].flatMap(undocumented);
    expect(silent).to.deep.equal([]);
  });

  it("says when errors are thrown and when events are emitted", () => {
    const errors = all("ErrorDefinition").filter(({ doc }) => !/@notice Thrown when \S/.test(doc));
    const events = all("EventDefinition").filter(({ doc }) => !/@notice Emitted when \S/.test(doc));
    expect(names([...errors, ...events])).to.deep.equal([]);
  });

  it("describes each field of a struct and each value of an enum", () => {
    expect(all("StructDefinition", "EnumDefinition").flatMap(uncommented)).to.deep.equal([]);
  });

  it("has a security contact for each contract that is deployed", () => {
    const deployed = all("ContractDefinition").filter(
      ({ node }) => node.contractKind === "contract" && !node.abstract,
    );
    const silent = deployed.filter(({ doc }) => !/@custom:security-contact \S/.test(doc));
    expect(deployed.length).to.be.greaterThan(2);
    expect(names(silent)).to.deep.equal([]);
  });
});
