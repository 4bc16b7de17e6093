import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { ProtocolError } from "../../errors.ts";
import { proxyAuthorization, proxyFor } from "../../rpc/proxy.ts";
import { openTunnel } from "./tunnel.ts";

/** Milliseconds without data after which a connection counts as lost. */
const IDLE_TIMEOUT_MS = 30_000;

/** Maximum size of the head of an answer. */
const MAX_HEAD = 16 * 1024;

const END_OF_HEAD = "\r\n\r\n";

/** Receives the bytes of an answer. */
export interface Sink {
  /** Buffer for the next bytes; at least one byte. */
  room(): Uint8Array;
  /** Called with the number of bytes that arrived. @returns false if there is no room for more until `resume`. */
  took(length: number): boolean;
}

/** The head of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** Length of the body in bytes. */
  readonly length: number;
}

interface Exchange {
  readonly sink: (head: AnswerHead) => Sink;
  readonly resolve: (head: AnswerHead) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One connection that fetches ranges of a file over HTTP/1.1, one after the other. Bytes go from the socket directly to
 * their destination: a general client allocates 64 KiB for every read, which costs several times the transfer, and
 * memory that grows until garbage collection. See decision 17.
 */
export class RangeConnection {
  readonly #url: URL;
  #socket: Socket | null = null;
  #exchange: Exchange | null = null;
  /** The part of a head that has arrived. */
  readonly #head = Buffer.alloc(MAX_HEAD);
  #headLength = 0;
  #answer: AnswerHead | null = null;
  #left = 0;
  #sink: Sink | null = null;
  #closes = false;
  /** Bytes that arrived before there was room for them. */
  #kept: Uint8Array | null = null;

  /** @param url URL of the file: http or https */
  constructor(url: URL) {
    this.#url = url;
  }

  /**
   * Requests bytes `start` to `end`, both included.
   * @param sink chooses the sink for an answer by its head
   * @returns the head, when all bytes have arrived.
   * @throws the connection's error; the signal's reason if aborted.
   */
  async get(
    [start, end]: readonly [start: number, end: number],
    sink: Exchange["sink"],
    signal: AbortSignal,
  ): Promise<AnswerHead> {
    signal.throwIfAborted();
    const abort = () => this.#fail(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      return await new Promise<AnswerHead>((resolve, reject) => {
        const exchange = { sink, resolve, reject };
        this.#exchange = exchange;
        this.#open(signal).then(
          (socket) => {
            if (this.#exchange === exchange) socket.write(this.#requestHead(start, end));
          },
          (error) => {
            if (this.#exchange === exchange) this.#fail(error);
          },
        );
      });
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Continues after `took` reported that there was no room. */
  resume(): void {
    const kept = this.#kept;
    this.#kept = null;
    if (kept) this.#feed(kept);
    if (this.#kept === null) this.#socket?.resume();
  }

  close(): void {
    this.#fail(new Error("closed"));
  }

  /** The connection, opened if there is none. */
  async #open(signal: AbortSignal): Promise<Socket> {
    if (this.#socket) return this.#socket;
    const proxy = proxyFor(this.#url);
    const socket =
      proxy && this.#url.protocol === "https:"
        ? await this.#connectThrough(proxy, signal)
        : this.#connect(proxy ?? this.#url);
    this.#socket = socket;
    // Events of an earlier connection are ignored.
    const failIfCurrent = (error: Error) => {
      if (this.#socket === socket) this.#fail(error);
    };
    socket.setTimeout(IDLE_TIMEOUT_MS, () => failIfCurrent(new Error("no answer")));
    socket.on("error", failIfCurrent);
    socket.on("close", () => failIfCurrent(new Error("the connection was closed")));
    return socket;
  }

  #connect({ protocol, hostname, port }: URL): Socket {
    const isSecure = protocol === "https:";
    const host = hostname.replace(/^\[|\]$/g, "");
    const onread = {
      buffer: () => this.#sink?.room() ?? this.#head.subarray(this.#headLength),
      callback: (length: number) => this.#took(length),
    };
    const options = { host, port: Number(port) || (isSecure ? 443 : 80), onread };
    return isSecure ? connectTls({ ...options, ...serverName(host) }) : connectTcp(options);
  }

  /** TLS inside TLS delivers bytes in its own buffers, which are copied. */
  async #connectThrough(proxy: URL, signal: AbortSignal): Promise<Socket> {
    const host = this.#url.hostname.replace(/^\[|\]$/g, "");
    const target = `${this.#url.hostname}:${this.#url.port || 443}`;
    const tunnel = await openTunnel(proxy, target, { timeout: IDLE_TIMEOUT_MS, signal });
    const socket = connectTls({ socket: tunnel, ...serverName(host) });
    socket.on("data", (chunk: Buffer) => this.#feed(chunk));
    return socket;
  }

  #requestHead(start: number, end: number): string {
    const { protocol, host, pathname, origin } = this.#url;
    const proxy = protocol === "http:" ? proxyFor(this.#url) : null;
    return [
      `GET ${proxy ? origin : ""}${pathname} HTTP/1.1`,
      `Host: ${host}`,
      ...Object.entries(proxy ? proxyAuthorization(proxy) : {}).map((pair) => pair.join(": ")),
      `Range: bytes=${start}-${end}${END_OF_HEAD}`,
    ].join("\r\n");
  }

  #feed(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const room = this.#sink?.room() ?? this.#head.subarray(this.#headLength);
      const piece = chunk.subarray(at, at + room.length);
      room.set(piece);
      at += piece.length;
      if (this.#took(piece.length)) continue;
      this.#socket?.pause();
      this.#kept = chunk.subarray(at);
      return;
    }
  }

  /** Handles bytes that arrived, of the head or in the sink's buffer. */
  #took(length: number): boolean {
    try {
      return this.#sink ? this.#tookBody(length) : this.#tookHead(length);
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #tookHead(length: number): boolean {
    this.#headLength += length;
    const come = this.#head.subarray(0, this.#headLength);
    const end = come.indexOf(END_OF_HEAD);
    if (end < 0) {
      if (this.#headLength === MAX_HEAD) throw new Error("the head of the answer is too long");
      return true;
    }
    if (!this.#exchange) throw new Error("an answer without a request");
    this.#answer = this.#readHead(come.toString("latin1", 0, end));
    this.#left = this.#answer.length;
    this.#sink = this.#exchange.sink(this.#answer);
    let more: boolean = this.#left > 0 || this.#end();
    for (let at = end + END_OF_HEAD.length; at < come.length; ) {
      const room = this.#sink?.room();
      if (!room) throw tooLong();
      const piece = come.subarray(at, at + room.length);
      room.set(piece);
      at += piece.length;
      more = this.#tookBody(piece.length);
    }
    return more;
  }

  #readHead(text: string): AnswerHead {
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
    const length = Number(/^content-length: *(\d{1,15}) *$/im.exec(text)?.[1]);
    if (!Number.isInteger(status) || !Number.isInteger(length)) {
      throw new ProtocolError(
        "network",
        `The storage at ${this.#url.origin} does not declare the length of its answer.`,
        "Use another storage server, or connect to this one without a proxy.",
      );
    }
    this.#closes = /^connection: *close/im.test(text);
    return { status, length };
  }

  #tookBody(length: number): boolean {
    if (length > this.#left) throw tooLong();
    this.#left -= length;
    const hasRoom = this.#sink!.took(length);
    return this.#left > 0 ? hasRoom : this.#end();
  }

  #end(): true {
    const { resolve } = this.#exchange!;
    const answer = this.#answer!;
    this.#forget();
    if (this.#closes) this.#drop();
    resolve(answer);
    return true;
  }

  #fail(error: unknown): void {
    const exchange = this.#exchange;
    this.#forget();
    this.#drop();
    exchange?.reject(error);
  }

  #forget(): void {
    this.#exchange = null;
    this.#answer = null;
    this.#sink = null;
    this.#headLength = 0;
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#kept = null;
    socket?.destroy();
  }
}

function tooLong(): Error {
  return new Error("the answer is longer than declared");
}

/** SNI takes host names, not IP addresses. */
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}
