import { z } from "zod";
import type { Root } from "../../sdk/ids.ts";
import { segmentCount } from "../../sdk/storage/tree/segment.ts";
import type { Submission } from "../../sdk/storage/zerog/submissions.ts";
import type { BlobStore } from "./BlobStore.ts";
import type { SubmissionLog } from "./SubmissionLog.ts";
import type { Uploader } from "./uploader.ts";
import { ZgsError } from "./ZgsError.ts";
import { unpad, ZgsFiles } from "./ZgsFiles.ts";

/** A call: positional parameters, the URL at which the client reached this node, and the account for uploads. */
type Method = (params: unknown[], url: string, uploader: Uploader) => unknown;

/** Most segments in one call: the official client sends ten. */
const MAX_SEGMENTS = 64;
/** More than the tree depth of the largest file. */
const MAX_STEPS = 64;
/** This node is not sharded. */
const WHOLE = { shardId: 0, numShard: 1 };
const NOBODY = { chainId: 0, address: `0x${"0".repeat(40)}` };

const RootParam = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform((text) => text.toLowerCase() as Root);
const IntegerParam = z.int().min(0);
const SegmentParam = z.object({
  root: RootParam,
  data: z.string(),
  index: IntegerParam,
  proof: z.object({
    lemma: z.array(RootParam).max(MAX_STEPS + 2),
    path: z.array(z.boolean()).max(MAX_STEPS),
  }),
  fileSize: z.int().min(1),
});
const SegmentsParam = z.array(SegmentParam).max(MAX_SEGMENTS);
type SentSegment = z.infer<typeof SegmentParam>;

/** The methods of 0G's storage node and indexer that their clients call, by name. */
export function zgsMethods(
  store: BlobStore,
  submissions: SubmissionLog | null,
): ReadonlyMap<string, Method> {
  const files = new ZgsFiles(store, submissions);
  const uploads = new Uploads(store, files);
  return new Map<string, Method>([
    ["zgs_getStatus", () => statusOf(submissions)],
    ["zgs_getShardConfig", () => WHOLE],
    ["zgs_getFileInfo", ([root]) => infoOf(files, byRoot(files, root))],
    ["zgs_getFileInfoByTxSeq", ([seq]) => infoOf(files, bySeq(files, seq))],
    ["zgs_checkFileFinalized", ([seqOrRoot]) => isFinal(files, seqOrRoot)],
    ["zgs_uploadSegment", ([segment], _, from) => uploads.take([segment], from)],
    ["zgs_uploadSegments", ([segments], _, from) => uploads.take(segments, from)],
    ["zgs_uploadSegmentByTxSeq", ([segment, seq], _, from) => uploads.take([segment], from, seq)],
    ["zgs_uploadSegmentsByTxSeq", ([segments, seq], _, from) => uploads.take(segments, from, seq)],
    ["zgs_downloadSegment", ([root, ...at]) => chunksOf(files, byRoot(files, root), at)],
    ["zgs_downloadSegmentByTxSeq", ([seq, ...at]) => chunksOf(files, bySeq(files, seq), at)],
    [
      "zgs_downloadSegmentWithProof",
      ([root, index]) => segmentOf(files, byRoot(files, root), index),
    ],
    [
      "zgs_downloadSegmentWithProofByTxSeq",
      ([seq, index]) => segmentOf(files, bySeq(files, seq), index),
    ],
    ["indexer_getShardedNodes", (_, url) => ({ trusted: [asNode(url)], discovered: [] })],
    ["indexer_getSelectedNodes", (_, url) => ({ trusted: [asNode(url)], discovered: [] })],
    ["indexer_getNodeLocations", () => ({})],
    [
      "indexer_getFileLocations",
      ([root], url) => (isFinal(files, read(RootParam, root, "root")) ? [asNode(url)] : null),
    ],
  ]);
}

/** Stores segments. When the call with the last segment returns, the file is complete and durable. */
class Uploads {
  readonly #store: BlobStore;
  readonly #files: ZgsFiles;

  constructor(store: BlobStore, files: ZgsFiles) {
    this.#store = store;
    this.#files = files;
  }

  /** @returns 0 rather than null, which older clients treat as a failure. */
  async take(segmentsParam: unknown, from: Uploader, seqParam?: unknown): Promise<number> {
    const segments = read(SegmentsParam, segmentsParam, "segments");
    for (const segment of segments) {
      const file = this.#files.byRoot(segment.root, segment.fileSize);
      if (seqParam !== undefined && bySeq(this.#files, seqParam)?.root !== segment.root) {
        throw ZgsError.invalidParams("root", "data root not found");
      }
      if (file) this.#checkWanted(file, segment);
      await this.#put(segment, from);
    }
    return 0;
  }

  #checkWanted(file: Submission, { fileSize }: SentSegment): void {
    if (fileSize !== file.size) {
      const what = "segment file size not matched with tx file size";
      throw ZgsError.invalidParams("file_size", what);
    }
    if (this.#files.isComplete(file)) {
      throw ZgsError.invalidParams("root", "already uploaded and finalized");
    }
  }

  async #put({ root, index, data, proof, fileSize }: SentSegment, from: Uploader): Promise<void> {
    const bytes = unpad(Buffer.from(data, "base64"), index, fileSize);
    const content = { root, size: fileSize };
    const isLast = await this.#store.putProvenSegment(content, { index, bytes, proof }, from);
    if (isLast) await this.#store.finish(root, fileSize);
  }
}

function statusOf(submissions: SubmissionLog | null) {
  const { chainId, address } = submissions?.flow ?? NOBODY;
  return {
    connectedPeers: 0,
    logSyncHeight: submissions?.synced?.number ?? 0,
    logSyncBlock: submissions?.synced?.hash ?? `0x${"0".repeat(64)}`,
    nextTxSeq: submissions?.nextSeq ?? 0,
    networkIdentity: {
      chainId,
      flowAddress: address,
      p2pProtocolVersion: { major: 0, minor: 0, build: 0 },
    },
  };
}

function infoOf(files: ZgsFiles, file: Submission | undefined) {
  if (!file) return null;
  const { root, size, seq, startEntryIndex, nodes } = file;
  const finalized = files.isComplete(file);
  return {
    tx: {
      streamIds: [],
      data: [],
      dataMerkleRoot: root,
      merkleNodes: nodes.map((node) => [node.height, node.root]),
      startEntryIndex,
      size,
      seq,
    },
    finalized,
    isCached: false,
    uploadedSegNum: finalized ? segmentCount(size) : 0,
    pruned: false,
  };
}

function isFinal(files: ZgsFiles, seqOrRoot: unknown): boolean | null {
  const file = typeof seqOrRoot === "number" ? bySeq(files, seqOrRoot) : byRoot(files, seqOrRoot);
  return file ? files.isComplete(file) : null;
}

async function chunksOf(files: ZgsFiles, file: Submission | undefined, at: unknown[]) {
  const [start, end] = [
    read(IntegerParam, at[0], "start_index"),
    read(IntegerParam, at[1], "end_index"),
  ];
  return file ? files.readChunks(file, start, end) : null;
}

async function segmentOf(files: ZgsFiles, file: Submission | undefined, index: unknown) {
  const at = read(IntegerParam, index, "index");
  return file ? files.readSegment(file, at) : null;
}

const asNode = (url: string) => ({ url, config: WHOLE, latency: 0, since: 0 });

const byRoot = (files: ZgsFiles, root: unknown) => files.byRoot(read(RootParam, root, "root"));
const bySeq = (files: ZgsFiles, seq: unknown) => files.bySeq(read(IntegerParam, seq, "tx_seq"));

function read<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw ZgsError.invalidParams([name, ...path].join("."), message);
}
