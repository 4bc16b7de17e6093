import type { Step } from "../machine/machine.ts";
import { accept } from "./accept.ts";
import { answer } from "./answer.ts";
import { clean } from "./clean.ts";
import { countDataset } from "./countDataset.ts";
import { deliver } from "./deliver.ts";
import { fail } from "./fail.ts";
import { fetchDataset } from "./fetchDataset.ts";
import { finalize } from "./finalize.ts";
import { lapse } from "./lapse.ts";
import { packageOutput } from "./packageOutput.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { reveal } from "./reveal.ts";
import { seal } from "./seal.ts";
import { settle } from "./settle.ts";
import { train } from "./train.ts";
import { uploadDeliverable } from "./uploadDeliverable.ts";
import { verify } from "./verify.ts";

/** The function of every step of the state machine. */
export const STEPS: Readonly<Record<Step, StepFunction>> = {
  verify,
  accept,
  fetch: fetchDataset,
  count: countDataset,
  train,
  package: packageOutput,
  seal,
  upload: uploadDeliverable,
  deliver,
  answer,
  reveal,
  finalize,
  lapse,
  settle,
  fail,
  clean,
};
