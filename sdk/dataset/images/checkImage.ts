import { crc32 } from "node:zlib";
import type { Finding } from "../formats/Finding.ts";

/** Width times height: decoding takes three bytes per pixel. */
const MAX_PIXELS = 64_000_000;
/** Ratio of the long edge to the short edge. */
const MAX_ASPECT_RATIO = 100;
const PNG_SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");
const IMAGE_START = Buffer.from([0xff, 0xd8]);
const IMAGE_END = Buffer.from([0xff, 0xd9]);
/** The JPEG marker before the pixels. */
const START_OF_SCAN = 0xda;

/** In pixels, as stored: EXIF may turn the image. */
interface ImageSize {
  readonly width: number;
  readonly height: number;
}

interface Header extends ImageSize {
  /** Per channel. */
  readonly bits: number;
}

/**
 * Checks the headers and checksums of an image file, as the trainer does before decoding it.
 * @returns its size, or a finding.
 */
export function checkImage(content: Buffer): ImageSize | Finding {
  const isPng = content.subarray(0, 8).equals(PNG_SIGNATURE);
  if (!isPng && !content.subarray(0, 2).equals(IMAGE_START)) {
    return { rule: "image-type", message: "The file is neither a JPEG nor a PNG image." };
  }
  const header = isPng ? readPng(content) : readJpeg(content);
  if ("rule" in header) return header;
  return checkHeader(header) ?? { width: header.width, height: header.height };
}

function checkHeader({ width, height, bits }: Header): Finding | undefined {
  if (bits > 8) {
    return { rule: "image-deep", message: `The image has ${bits} bits per channel.` };
  }
  if (width === 0 || height === 0)
    return damage("The image is damaged: its width or height is zero.");
  if (width * height > MAX_PIXELS) {
    const message = `The image has ${width} x ${height} pixels, more than 64 million.`;
    return { rule: "image-too-large", message };
  }
  if (Math.max(width, height) > MAX_ASPECT_RATIO * Math.min(width, height)) {
    const message = `The image is a strip of ${width} x ${height} pixels.`;
    return { rule: "image-too-large", message };
  }
  return undefined;
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

function readPng(content: Buffer): Header | Finding {
  let header: Header | undefined;
  let hasPixels = false;
  for (const chunk of readChunks(content)) {
    if ("rule" in chunk) return chunk;
    header ??= readPngHeader(chunk);
    if (!header) return damage("The image is damaged: it has no header.");
    if (chunk.type === "acTL") return { rule: "image-animated", message: "The image is animated." };
    hasPixels ||= chunk.type === "IDAT";
    if (chunk.type === "IEND") {
      return hasPixels ? header : damage("The image is damaged: it has no pixels.");
    }
  }
  return cutOff();
}

/** Iterates over all complete chunks: length, type, data and the CRC-32 of the last two. */
function* readChunks(content: Buffer): Generator<Chunk | Finding> {
  let place = PNG_SIGNATURE.length;
  while (place + 12 <= content.length) {
    const end = place + 12 + content.readUInt32BE(place);
    if (end > content.length) return;
    if (crc32(content.subarray(place + 4, end - 4)) !== content.readUInt32BE(end - 4)) {
      yield damage("The image is damaged: a checksum is wrong.");
      return;
    }
    const type = content.toString("latin1", place + 4, place + 8);
    yield { type, data: content.subarray(place + 8, end - 4) };
    place = end;
  }
}

function readPngHeader({ type, data }: Chunk): Header | undefined {
  if (type !== "IHDR" || data.length !== 13) return undefined;
  return { width: data.readUInt32BE(0), height: data.readUInt32BE(4), bits: data[8]! };
}

interface Segment {
  readonly marker: number;
  readonly place: number;
  readonly data: Buffer;
}

/** Reads the segments up to the pixels, and checks the end marker. */
function readJpeg(content: Buffer): Header | Finding {
  let header: Header | undefined;
  for (const segment of readSegments(content)) {
    if ("rule" in segment) return segment;
    if (segment.marker === START_OF_SCAN) {
      if (!header) return damage("The image is damaged: it has no header.");
      return content.indexOf(IMAGE_END, segment.place) < 0 ? cutOff() : header;
    }
    if (!isFrame(segment.marker)) continue;
    const frame = readFrame(segment.data);
    if ("rule" in frame) return frame;
    header = frame;
  }
  return cutOff();
}

/** Iterates over the segments: marker, length and data. */
function* readSegments(content: Buffer): Generator<Segment | Finding> {
  let place = 2;
  while (place + 4 <= content.length) {
    if (content[place] !== 0xff) {
      yield damage("The image is damaged: a segment is missing.");
      return;
    }
    const marker = content[place + 1]!;
    // Fill bytes may come before a marker.
    if (marker === 0xff) {
      place += 1;
      continue;
    }
    const end = place + 2 + content.readUInt16BE(place + 2);
    yield { marker, place, data: content.subarray(place + 4, end) };
    place = end;
  }
}

/** The frame headers C0 to CF, except DHT (C4), JPG (C8) and DAC (CC). */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** Bits, height, width, number of components. */
function readFrame(data: Buffer): Header | Finding {
  if (data.length < 6) return damage("The image is damaged: its header is too short.");
  const channels = data[5]!;
  if (channels === 4) {
    return { rule: "image-cmyk", message: "The image is CMYK." };
  }
  if (channels !== 1 && channels !== 3) {
    return { rule: "image-cmyk", message: `The image has ${channels} channels.` };
  }
  return { width: data.readUInt16BE(3), height: data.readUInt16BE(1), bits: data[0]! };
}

function damage(message: string): Finding {
  return { rule: "image-damaged", message };
}

function cutOff(): Finding {
  return damage("The image is truncated.");
}
