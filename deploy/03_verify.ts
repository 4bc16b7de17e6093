import { Interface, type InterfaceAbi } from "ethers";
import { FineTuningServing, Ledger, Rules } from "../generated/artifacts/index.js";
import { ProtocolError } from "../sdk/errors.ts";
import { CREATED } from "./_created.ts";
import { parametersOf } from "./_parameters.ts";
import { deployScript } from "./_rocketh.ts";

/** The expected state of a contract: its artifact, and the values of its immutables. */
interface Expectation {
  readonly artifact: Artifact;
  /** Expected values by the name of the view that returns them. */
  readonly values: Readonly<Record<string, bigint | string>>;
}

interface Artifact {
  readonly abi: InterfaceAbi;
  readonly deployedBytecode: string;
  readonly immutableReferences?: Record<string, readonly { start: number; length: number }[]>;
}

const CREATED_ARTIFACTS = { Rules };

type Ask = (method: string, ...params: unknown[]) => Promise<string>;

/**
 * Verifies the contract at every address of the deployment, whoever deployed it: its code is the compiled one, and its
 * immutables match _parameters.ts and the addresses of the other contracts.
 */
export default deployScript(
  async (env) => {
    const { lockPeriod, ...servingParameters } = parametersOf(env.network.chain.id);
    const ask: Ask = async (method, ...params) =>
      (await env.network.provider.request({ method, params } as never)) as unknown as string;
    const addressOf = (name: string) => env.getOrNull(name)?.address ?? "";
    const expectations: Record<string, Expectation> = {
      Ledger: { artifact: Ledger, values: { lockPeriod } },
      FineTuningServing: {
        artifact: FineTuningServing,
        values: { ledger: addressOf("Ledger"), ...servingParameters },
      },
    };
    for (const [name, expectation] of Object.entries(expectations)) {
      const address = addressOf(name);
      if (address !== "") await verify(name, address, expectation, ask); // --tags may have excluded it
    }
  },
  { tags: ["Ledger", "FineTuningServing"], runAtTheEnd: true },
);

async function verify(
  name: string,
  address: string,
  { artifact, values }: Expectation,
  ask: Ask,
): Promise<void> {
  if (!(await isCodeAt(address, artifact, ask))) {
    throw wrong(name, `The code at ${address} is not that of ${name}.`);
  }
  const views = new Interface(artifact.abi);
  const read = async (view: string): Promise<string> => {
    const data = views.encodeFunctionData(view);
    const answer = await ask("eth_call", { to: address, data }, "latest");
    return String(views.decodeFunctionResult(view, answer)[0]);
  };
  for (const [view, expected] of Object.entries(values)) {
    const actual = await read(view);
    if (actual.toLowerCase() === String(expected).toLowerCase()) continue;
    throw wrong(name, `${name} at ${address} has ${view} ${actual} instead of ${expected}.`);
  }
  for (const [view, created] of Object.entries(CREATED[name] ?? {})) {
    const part = await read(view);
    if (await isCodeAt(part, CREATED_ARTIFACTS[created], ask)) continue;
    throw wrong(name, `${name} at ${address} has ${view} ${part}, whose code is different.`);
  }
}

async function isCodeAt(address: string, artifact: Artifact, ask: Ask): Promise<boolean> {
  const code = await ask("eth_getCode", address, "latest");
  const compiled = artifact.deployedBytecode;
  return (
    code.length === compiled.length && comparable(code, artifact) === comparable(compiled, artifact)
  );
}

/**
 * Runtime code without its immutables, which are verified through their views, and without the metadata at its end,
 * which changes with every comment: a contract with the same code is not deployed again.
 */
function comparable(code: string, { immutableReferences = {} }: Artifact): string {
  const bytes = Buffer.from(code.slice(2), "hex");
  for (const { start, length } of Object.values(immutableReferences).flat()) {
    bytes.fill(0, start, start + length);
  }
  const metadataLength = bytes.readUInt16BE(bytes.length - 2) + 2;
  return bytes.subarray(0, bytes.length - metadataLength).toString("hex");
}

const wrong = (name: string, message: string) =>
  new ProtocolError(
    "integrity",
    message,
    `Correct the address in ${name}.json in the deployment's folder, or remove that file to deploy ${name} again.`,
  );
