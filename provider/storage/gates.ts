import type { FastifyReply, FastifyRequest } from "fastify";
import { addressGroup } from "../http/addressGroup.ts";
import { FairGate, type GateLimits } from "../http/FairGate.ts";
import { enforceMinRate } from "./enforceMinRate.ts";

const MIB = 2 ** 20;

/** Concurrent runs of segments: each holds two segments in memory. */
const RUNS = { total: 128, perKey: 32, reserved: 32 };

/** Concurrent downloads: each holds two pieces in memory. */
const READS = { total: 128, perKey: 24, reserved: 32 };

/** Bytes of segment lists in memory at once. That of the largest file has 13 MB. */
const LISTS = { total: 64 * MIB, perKey: 16 * MIB, reserved: 16 * MIB };

/** Bytes of JSON-RPC calls in memory at once; parsing takes a multiple of that. */
const CALLS = { total: 24 * MIB, perKey: 8 * MIB, reserved: 6 * MIB };

/** Minimum weight of a call: its response may contain a segment in base64. */
const MIN_CALL = MIB / 2;

type Enter = (
  request: FastifyRequest,
  reply: FastifyReply,
  options?: { usesReserve?: boolean },
) => Promise<void>;

/** Bounds the concurrency of a public storage node. Waiting requests are not read; admitted ones must not be slow. */
export interface Gates {
  readonly runs: Enter;
  readonly reads: Enter;
  readonly lists: Enter;
  readonly calls: Enter;
}

/** @param rateWindowMs milliseconds over which the rate of a body is averaged, if not the default */
export function createGates(rateWindowMs?: number): Gates {
  const bodyLength = ({ headers }: FastifyRequest) =>
    Number(headers["content-length"] ?? Number.POSITIVE_INFINITY);
  const enter = (limits: GateLimits, weigh = (_: FastifyRequest) => 1): Enter => {
    const gate = new FairGate(limits);
    return async (request, reply, { usesReserve = false } = {}) => {
      const weight = Math.min(weigh(request), limits.perKey);
      await gate.enter(reply.raw, addressGroup(request.ip), { weight, usesReserve });
      enforceMinRate(request.raw, reply.raw, () => request.raw.destroy(), rateWindowMs);
    };
  };
  return {
    runs: enter(RUNS),
    reads: enter(READS),
    lists: enter(LISTS, bodyLength),
    calls: enter(CALLS, (request) => Math.max(MIN_CALL, bodyLength(request))),
  };
}
