/**
 * A thread that computes roots of segments. Not TypeScript: with type stripping, a thread takes three times as long to
 * start. Each slot of the shared memory contains the bytes of a segment, then 32 bytes for its root.
 */
import { parentPort, workerData } from "node:worker_threads";

const { module, constants, input, output, shared, slotBytes, rootBytes } = workerData;
const { memory, root } = new WebAssembly.Instance(module).exports;
const own = new Uint8Array(memory.buffer);
own.set(new Uint8Array(constants.buffer));
const slots = new Uint8Array(shared);

parentPort.on("message", ({ slot, length, count, chunkBytes }) => {
  const at = slot * slotBytes;
  own.set(slots.subarray(at, at + length), input);
  own.fill(0, input + length, input + count * chunkBytes);
  root(input, count, output);
  slots.set(own.subarray(output, output + rootBytes), at + slotBytes - rootBytes);
  parentPort.postMessage(slot);
});
parentPort.postMessage(null); // ready
