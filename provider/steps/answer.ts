import { answerChunk } from "../../sdk/deliverable/calls.ts";
import { withSealedFile } from "../../sdk/deliverable/sealedFile.ts";
import { buildChunkProof } from "../../sdk/exchange/chunkProof.ts";
import { geometryOf } from "../../sdk/exchange/geometry.ts";
import type { Root } from "../../sdk/ids.ts";
import { download } from "../../sdk/storage/download.ts";
import { pathExists } from "../../sdk/storage/files/pathExists.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { ProviderError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Shows the chunk of the delivery that the user demanded. */
export const answer: StepFunction = async (context, { id, facts }, signal) => {
  const { client } = context;
  const { size, root } = requireFacts(facts, "size", "root") as { size: number; root: Root };
  const { encrypted } = jobPaths(context.jobsDirectory, id);
  // After a restored backup the file may be in the storage alone.
  if (!(await pathExists(encrypted)))
    await download(client.storageUrl, root, encrypted, { signal });
  const { chunk: index, demands: round } = await getTask(client, { id });
  const { encryptedSize } = geometryOf(size);
  const proof = await withSealedFile({ path: encrypted, root, signal }, (file) =>
    buildChunkProof(file, { encryptedSize, index }),
  );
  if (proof === null) throw changedFileError(encrypted);
  const call = answerChunk(client, { id, ...proof });
  const isDone = async () => {
    const { state, demands } = await getTask(client, { id });
    return state !== "Demanded" || demands !== round;
  };
  await context.submitter.submit({ id, step: "answer", round, call, isDone }, signal);
  return {};
};

function changedFileError(path: string): ProviderError {
  return new ProviderError(`${path} is not the model that was delivered.`, {
    retryable: true,
    hint: "Remove the file: the model is then read from the storage. An unanswered demand costs the whole bond.",
  });
}
