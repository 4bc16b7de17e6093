import { concat, dataLength, dataSlice, toBeHex } from "ethers";

/** A call of a view. */
export interface View {
  readonly to: string;
  readonly data: string;
}

/** Bytes of the instructions for one view, and of the last ones. */
const VIEW_CODE = 62;
const END_CODE = 11;
/** Bytes before each result: whether the call succeeded, and the result's length. */
const HEAD = 64;

/** Instructions of the Ethereum virtual machine. */
const OP = {
  ADD: "0x01",
  SUB: "0x03",
  CODECOPY: "0x39",
  RETURNDATASIZE: "0x3d",
  RETURNDATACOPY: "0x3e",
  MSTORE: "0x52",
  GAS: "0x5a",
  DUP2: "0x81",
  DUP3: "0x82",
  SWAP1: "0x90",
  RETURN: "0xf3",
  STATICCALL: "0xfa",
} as const;

const push1 = (value: number) => concat(["0x60", toBeHex(value, 1)]);
const push3 = (value: number) => concat(["0x62", toBeHex(value, 3)]);

/**
 * Code that calls several views and returns all results. A node runs it in one eth_call without an address, as the
 * constructor of a contract that is never deployed, so all results are of the same block and count as one request.
 */
export function encodeViews(views: readonly View[]): string {
  const inputs = Math.max(...views.map(({ data }) => dataLength(data)));
  const base = Math.ceil(inputs / 32) * 32; // results are written behind the input of a call
  let offset = views.length * VIEW_CODE + END_CODE + 4;
  const code = [push3(base)];
  for (const view of views) {
    code.push(viewCode(view, offset));
    offset += dataLength(view.data);
  }
  const end = [push3(base), OP.SWAP1, OP.SUB, push3(base), OP.RETURN];
  return concat([...code, ...end, ...views.map(({ data }) => data)]);
}

/** Calls one view, and appends its result; the end of the results so far is on the stack. */
function viewCode({ to, data }: View, offset: number): string {
  const size = push3(dataLength(data));
  return concat([
    ...[size, push3(offset), push1(0), OP.CODECOPY],
    ...[push1(0), push1(0), size, push1(0), "0x73", to, OP.GAS, OP.STATICCALL],
    ...[OP.DUP2, OP.MSTORE],
    ...[OP.RETURNDATASIZE, OP.DUP2, push1(32), OP.ADD, OP.MSTORE],
    ...[push1(HEAD), OP.ADD],
    ...[OP.RETURNDATASIZE, push1(0), OP.DUP3, OP.RETURNDATACOPY],
    ...[OP.RETURNDATASIZE, OP.ADD],
  ]);
}

/**
 * Splits what the code of encodeViews returned.
 * @returns one result per view; null for a view that failed, and for all if the answer is not of that form.
 */
export function decodeViews(answer: unknown, count: number): (string | null)[] {
  const results: (string | null)[] = [];
  const text = typeof answer === "string" && /^0x([0-9a-f]{2})*$/i.test(answer) ? answer : "0x";
  let position = 0;
  while (results.length < count && position + HEAD <= dataLength(text)) {
    const [isSuccess, length] = [numberAt(text, position), numberAt(text, position + 32)];
    const end = position + HEAD + length;
    if (end > dataLength(text)) break;
    results.push(isSuccess === 1 ? dataSlice(text, position + HEAD, end) : null);
    position = end;
  }
  const isWhole = results.length === count && position === dataLength(text);
  return isWhole ? results : Array(count).fill(null);
}

const numberAt = (text: string, position: number) =>
  Number(dataSlice(text, position, position + 32));
