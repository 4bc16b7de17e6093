/** What is used of tar-stream, which brings no types. */
declare module "tar-stream" {
  import type { Readable, Writable } from "node:stream";

  interface Header {
    name: string;
    size?: number;
    mode?: number;
    mtime?: Date;
    /** Extended attributes; readers ignore those that they do not know. */
    pax?: Record<string, string>;
  }

  interface Pack extends Readable {
    entry(header: Header, done: (error?: Error | null) => void): Writable;
    finalize(): void;
  }

  export function pack(): Pack;
}
