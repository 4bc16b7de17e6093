import { killTransfers } from "../node/sdk/storage/kills.ts";

killTransfers({ kills: 100, bytes: 25_000_001, timeout: 3_600_000 });
