import { bogus } from "./bogus.ts";
import { crash } from "./crash.ts";
import { disk } from "./disk.ts";
import { endpoint } from "./endpoint.ts";
import { hostileReader, hostileUploader } from "./hostileClients.ts";
import { hostileTrainer } from "./hostileTrainer.ts";
import { kill } from "./kill.ts";
import { malice } from "./malice.ts";
import type { Programme } from "./Programme.ts";
import { reorg } from "./reorg.ts";
import { rpc } from "./rpc.ts";
import { wallet } from "./wallet.ts";

/** All kinds of fault, in the order of their runs. */
export const PROGRAMMES: Readonly<Record<string, Programme>> = {
  crash,
  kill,
  rpc,
  reorg,
  disk,
  malice,
  bogus,
  hostileTrainer,
  wallet,
  endpoint,
  hostileUploader,
  hostileReader,
};
