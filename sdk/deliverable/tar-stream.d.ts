/** The parts of tar-stream that are used; the package has no types. */
declare module "tar-stream" {
  import type { Readable, Writable } from "node:stream";

  interface Header {
    name: string;
    size?: number;
    mode?: number;
    mtime?: Date;
    /** Extended attributes; readers ignore unknown ones. */
    pax?: Record<string, string>;
  }

  interface Pack extends Readable {
    entry(header: Header, done: (error?: Error | null) => void): Writable;
    finalize(): void;
  }

  export function pack(): Pack;
}
