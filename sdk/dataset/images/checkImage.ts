import { crc32 } from "node:zlib";
import type { Finding } from "../formats/Finding.ts";

/** Width times height: decoding takes three bytes for each. */
const MOST_PIXELS = 64_000_000;
/** Long edge over short edge. */
const MOST_STRETCH = 100;
const PNG_SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");
const IMAGE_START = Buffer.from([0xff, 0xd8]);
const IMAGE_END = Buffer.from([0xff, 0xd9]);

interface Header {
  readonly width: number;
  readonly height: number;
  /** Per channel. */
  readonly bits: number;
}

/**
 * Checks an image file as far as its headers and checksums go, as the trainer does before it decodes it.
 * @returns its pixels, or what is wrong with it.
 */
export function checkImage(content: Buffer): { readonly pixels: number } | Finding {
  const isPng = content.subarray(0, 8).equals(PNG_SIGNATURE);
  if (!isPng && !content.subarray(0, 2).equals(IMAGE_START)) {
    return { rule: "image-type", message: "The file is neither a JPEG nor a PNG image." };
  }
  const header = isPng ? readPng(content) : readJpeg(content);
  if ("rule" in header) return header;
  return checkHeader(header) ?? { pixels: header.width * header.height };
}

function checkHeader({ width, height, bits }: Header): Finding | undefined {
  if (bits > 8) {
    return { rule: "image-deep", message: `The image has ${bits} bits per channel.` };
  }
  if (width === 0 || height === 0) return damage("The image is damaged: it has no size.");
  if (width * height > MOST_PIXELS) {
    const message = `The image has ${width} x ${height} pixels, more than 64 million.`;
    return { rule: "image-too-large", message };
  }
  if (Math.max(width, height) > MOST_STRETCH * Math.min(width, height)) {
    const message = `The image is a strip of ${width} x ${height} pixels.`;
    return { rule: "image-too-large", message };
  }
  return undefined;
}

/** Walks through all chunks: length, type, data and the CRC-32 of the last two. */
function readPng(content: Buffer): Header | Finding {
  let header: Header | undefined;
  let hasPixels = false;
  let place = PNG_SIGNATURE.length;
  while (place + 12 <= content.length) {
    const length = content.readUInt32BE(place);
    const end = place + 12 + length;
    if (end > content.length) break;
    const type = content.toString("latin1", place + 4, place + 8);
    if (crc32(content.subarray(place + 4, end - 4)) !== content.readUInt32BE(end - 4)) {
      return damage("The image is damaged: a checksum is wrong.");
    }
    if (!header) {
      if (type !== "IHDR" || length !== 13) {
        return damage("The image is damaged: it has no header.");
      }
      header = {
        width: content.readUInt32BE(place + 8),
        height: content.readUInt32BE(place + 12),
        bits: content[place + 16]!,
      };
    }
    if (type === "acTL") return { rule: "image-animated", message: "The image is animated." };
    hasPixels ||= type === "IDAT";
    if (type === "IEND") {
      return hasPixels ? header : damage("The image is damaged: it has no pixels.");
    }
    place = end;
  }
  return cutOff();
}

/** Walks through the segments up to the pixels, and looks for the end mark. */
function readJpeg(content: Buffer): Header | Finding {
  let header: Header | undefined;
  let place = 2;
  while (place + 4 <= content.length) {
    if (content[place] !== 0xff) return damage("The image is damaged: a segment is missing.");
    const marker = content[place + 1]!;
    // Fill bytes may stand before a marker.
    if (marker === 0xff) {
      place += 1;
      continue;
    }
    const length = content.readUInt16BE(place + 2);
    if (isFrame(marker)) {
      const frame = readFrame(content.subarray(place + 4, place + 2 + length));
      if ("rule" in frame) return frame;
      header = frame;
    }
    if (marker === 0xda) {
      if (!header) return damage("The image is damaged: it has no header.");
      return content.indexOf(IMAGE_END, place) < 0 ? cutOff() : header;
    }
    place += 2 + length;
  }
  return cutOff();
}

/** The frame headers C0 to CF, without the tables DHT (C4), JPG (C8) and DAC (CC). */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** Bits, height, width, number of components. */
function readFrame(data: Buffer): Header | Finding {
  if (data.length < 6) return damage("The image is damaged: its header is too short.");
  const channels = data[5]!;
  if (channels === 4) {
    return { rule: "image-cmyk", message: "The image is CMYK, made for print." };
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
  return damage("The image is cut off.");
}
