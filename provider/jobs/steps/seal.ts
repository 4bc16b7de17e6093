import { getBytes } from "ethers";
import { sharedBlind } from "../../../sdk/exchange/blind.ts";
import { sealFile } from "../../../sdk/exchange/seal.ts";
import { makeDeliverableKey } from "../deliverableKey.ts";
import { jobPaths, type StepFunction } from "../StepContext.ts";

/** Encrypts the archive for the user. */
export const seal: StepFunction = async (context, { id, order, facts }, signal) => {
  const paths = jobPaths(context.jobsDirectory, id);
  const u = sharedBlind(context.encryptionKey.secret, getBytes(order.userKey));
  const s = makeDeliverableKey(context, id, facts.archive!);
  const { root, contentRoot, size } = await sealFile(paths.archive, paths.encrypted, {
    taskId: id,
    u,
    s,
    signal,
  });
  return { root, contentRoot, size };
};
