import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A source that was sent to be verified, with the names of Etherscan's API. */
export interface Submission {
  readonly contractaddress: string;
  readonly contractname: string;
  readonly compilerversion: string;
  readonly constructorArguments: string;
  readonly sourceCode: string;
  readonly codeformat: string;
}

/** An explorer with the part of Etherscan's API that verifies sources, as 0G's explorers have it. */
export interface StandInExplorer {
  readonly url: string;
  readonly submissions: Submission[];
  /** API keys that were sent. */
  readonly keys: Set<string>;
  /** Addresses whose source it has. */
  readonly verified: Set<string>;
  /** Answers to a submission, and to the question what became of it; undefined accepts it. */
  refusals: { submission?: string; status?: string };
  close(): Promise<void>;
}

type Answer = { readonly status: "0" | "1"; readonly result: unknown };

export async function startExplorer(): Promise<StandInExplorer> {
  const submissions: Submission[] = [];
  const keys = new Set<string>();
  const verified = new Set<string>();
  const asked = new Set<string>();

  const answers: Record<string, (query: URLSearchParams, body: string) => Answer> = {
    getsourcecode: (query) => {
      const isVerified = verified.has(query.get("address")!.toLowerCase());
      return { status: "1", result: [{ SourceCode: isVerified ? "contract …" : "" }] };
    },
    verifysourcecode: (_, body) => {
      if (explorer.refusals.submission) {
        return { status: "0", result: explorer.refusals.submission };
      }
      const submission = Object.fromEntries(new URLSearchParams(body)) as unknown as Submission;
      return { status: "1", result: String(submissions.push(submission) - 1) };
    },
    checkverifystatus: (query) => {
      const guid = query.get("guid")!;
      if (explorer.refusals.status) return { status: "0", result: explorer.refusals.status };
      if (!asked.has(guid) && guid === "0") {
        asked.add(guid);
        return { status: "0", result: "Pending in queue" };
      }
      verified.add(submissions[Number(guid)]!.contractaddress.toLowerCase());
      return { status: "1", result: "Pass - Verified" };
    },
  };

  const respond = async (request: IncomingMessage): Promise<Answer> => {
    const { pathname, searchParams } = new URL(request.url!, "http://explorer");
    if (pathname !== "/open/api") return { status: "0", result: `No such page: ${pathname}` };
    keys.add(searchParams.get("apikey")!);
    return answers[searchParams.get("action")!]!(searchParams, await text(request));
  };

  const server = createServer(async (request, response) => {
    const answer = await respond(request);
    const message = answer.status === "1" ? "OK" : "NOTOK";
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ message, ...answer }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");

  const explorer: StandInExplorer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ submissions, keys, verified, refusals: {} },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return explorer;
}
