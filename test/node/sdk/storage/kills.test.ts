import { killTransfers } from "./kills.ts";

killTransfers({ kills: 3, bytes: 9_000_001 });
