import { TypedDataEncoder } from "ethers";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import { isSignedBy } from "../../sdk/service/isSignedBy.ts";
import { SETTLE_CANCELLED, signingDomain } from "../../sdk/service/typedData.ts";
import type { Cancellation } from "../../sdk/task/fetchCancellation.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { applyEvent } from "../jobs/applyEvent.ts";
import { findLast } from "../journal/trainerEvents.ts";
import { maySettle, type Settlement, WORK } from "../machine/machine.ts";
import type { JobRecord } from "../store/Store.ts";
import { ApiError } from "./ApiError.ts";
import { type Authentication, authenticate } from "./authenticate.ts";

export interface CancellationRoutes extends Authentication {
  readonly jobsDirectory: string;
  /** The chain's time, in unix seconds. */
  readonly chainTime: () => number;
  /** Called when a user's consent has been received. */
  readonly onCancel: (id: TaskId) => void;
}

type CancellationRequest = FastifyRequest<{ Params: { id: string } }>;

/** Seconds for which an offered amount is valid. */
const OFFER_SECONDS = 120;
/** Seconds for which a consent must at least be valid, so that its transaction can be mined. */
const MIN_CONSENT_SECONDS = 60;
/** Most offers remembered. The oldest is forgotten first, and can be requested again. */
const MAX_OFFERS = 10_000;

/** Enough for a signature of a contract wallet with many owners. */
const MAX_CONSENT_BYTES = 4_096;

const Consent = z.strictObject({
  amount: z.string().regex(/^\d{1,30}$/),
  deadline: z.number().int().positive(),
  signature: z.string().regex(/^0x([0-9a-f]{2}){0,1024}$/i),
});
/** Progress that a training run reports, validated so that the amount is between zero and the fee. */
const Steps = z.object({
  step: z.number().min(0),
  total: z.number().positive().max(Number.MAX_SAFE_INTEGER),
});

/** Lets the user of a running task end it: they request the amount due now, and consent to it. */
export function addCancellationRoutes(app: FastifyInstance, routes: CancellationRoutes): void {
  const offers = new Map<TaskId, { readonly amount: bigint; readonly until: number }>();
  const now = routes.chainTime;

  app.get("/v1/tasks/:id/cancellation", async (request: CancellationRequest) => {
    const record = await authenticate(routes, request);
    requireRunning(record);
    const amount = await amountDue(routes.jobsDirectory, record);
    const until = now() + OFFER_SECONDS;
    offers.delete(record.id);
    offers.set(record.id, { amount, until });
    if (offers.size > MAX_OFFERS) offers.delete(offers.keys().next().value!);
    const offer = { id: formatTaskId(record.id), amount: `${amount}`, fee: `${record.fee}`, until };
    return offer satisfies z.input<typeof Cancellation>;
  });

  const options = { bodyLimit: MAX_CONSENT_BYTES };
  app.put("/v1/tasks/:id/cancellation", options, async (request: CancellationRequest) => {
    const record = await authenticate(routes, request);
    requireRunning(record);
    const consent = readConsent(request.body);
    const offer = offers.get(record.id);
    if (!offer || now() > offer.until || offer.amount !== BigInt(consent.amount))
      throw staleOfferError();
    await requireValid(routes, record, consent);
    const after = applyEvent(routes.store, record.id, { type: "cancel", settlement: consent });
    if (!after?.job.settlement) throw notRunningError();
    offers.delete(record.id);
    routes.onCancel(record.id);
    return { accepted: true };
  });
}

/** The share of the fee for the training steps done so far, rounded down; the whole fee once the model is trained. */
async function amountDue(jobsDirectory: string, { id, fee, job }: JobRecord): Promise<bigint> {
  if (WORK.indexOf(job.work) >= WORK.indexOf("trained")) return fee;
  const { events } = jobPaths(jobsDirectory, id);
  const steps = Steps.safeParse(await findLast(events, "progress"));
  if (!steps.success) return 0n;
  const { step, total } = steps.data;
  return (fee * BigInt(Math.floor(Math.min(step, total)))) / BigInt(Math.ceil(total));
}

function readConsent(body: unknown): Settlement {
  try {
    return Consent.parse(JSON.parse((body as Buffer).toString("utf8")));
  } catch {
    throw new ApiError(
      400,
      "usage",
      "The body is not a valid consent.",
      "Send the JSON {amount, deadline, signature} as application/octet-stream.",
    );
  }
}

async function requireValid(
  { client, chainTime }: CancellationRoutes,
  { id, user }: JobRecord,
  { amount, deadline, signature }: Settlement,
): Promise<void> {
  if (deadline < chainTime() + MIN_CONSENT_SECONDS)
    throw new ApiError(
      400,
      "usage",
      "The consent expires too soon for its transaction.",
      "Choose a deadline some minutes ahead by the chain's clock.",
    );
  const digest = TypedDataEncoder.hash(signingDomain(client), SETTLE_CANCELLED, {
    ...{ id, amount, deadline },
  });
  // As the contract will: an address with code is asked itself.
  if (!(await isSignedBy(client, { signer: user, digest, signature })))
    throw new ApiError(
      400,
      "usage",
      "The consent is not signed by the task's user.",
      "Sign {id, amount, deadline} with the key of the account that created the task.",
    );
}

function requireRunning({ job }: JobRecord): void {
  if (!maySettle(job)) throw notRunningError();
}

function notRunningError(): ApiError {
  return new ApiError(
    409,
    "declined",
    "The task is not running.",
    "A task that is not accepted yet can be cancelled without the provider; a delivered one is paid for.",
  );
}

function staleOfferError(): ApiError {
  return new ApiError(
    409,
    "declined",
    "The amount is not the offered one, or the offer has expired.",
    "Request the amount again and consent to the new one.",
  );
}
