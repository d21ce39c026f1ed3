import { isIPv4, isIPv6 } from 'node:net';
import { addressBytes } from '../../base/address.js';
import { stringify } from '../../base/json.js';
import type { TraceEnd, TracePacket } from '../../gateway/call-tracer.js';

/** The form of the payload, and who sends. */
export interface HepOptions {
  readonly captureId: number;
  /** Undefined: the parts are a JSON object; else their texts are parted by this. */
  readonly delimiter: string | undefined;
}

/** Types of the chunks of vendor 0. */
const Chunk = {
  family: 0x0001,
  protocol: 0x0002,
  source4: 0x0003,
  destination4: 0x0004,
  source6: 0x0005,
  destination6: 0x0006,
  sourcePort: 0x0007,
  destinationPort: 0x0008,
  seconds: 0x0009,
  microseconds: 0x000a,
  kind: 0x000b,
  captureId: 0x000c,
  payload: 0x000f,
  correlation: 0x0011,
} as const;

/** Families as Linux numbers them. */
const family4 = 2;
const family6 = 10;

const tcp = 6;

/** The number that OpenSIPS has for the management interface. */
const managementInterface = 0x57;

const chunkHead = 6;

/** A packet of HEP version 3. @param now milliseconds since 1970 */
export function hepPacket({ from, to, correlation, parts }: TracePacket, options: HepOptions, now: number): Buffer {
  const { captureId, delimiter } = options;
  const payload =
    delimiter === undefined ? stringify(Object.fromEntries(parts)) : parts.map(([, text]) => text).join(delimiter);
  const isV6 = isIPv6(from.address) || (from.address === '' && isIPv6(to.address));
  const chunks: readonly (readonly [type: number, data: Buffer])[] = [
    [Chunk.family, number8(isV6 ? family6 : family4)],
    [Chunk.protocol, number8(tcp)],
    [Chunk.sourcePort, number16(from.port)],
    [Chunk.destinationPort, number16(to.port)],
    [Chunk.seconds, number32(Math.floor(now / 1000))],
    [Chunk.microseconds, number32(Math.floor((now % 1000) * 1000))],
    [Chunk.kind, number8(managementInterface)],
    [Chunk.captureId, number32(captureId)],
    [isV6 ? Chunk.source6 : Chunk.source4, bytesOf(from, isV6)],
    [isV6 ? Chunk.destination6 : Chunk.destination4, bytesOf(to, isV6)],
    [Chunk.payload, Buffer.from(payload)],
    [Chunk.correlation, Buffer.from(correlation)],
  ];
  const length = chunks.reduce((sum, [, data]) => sum + chunkHead + data.length, chunkHead);
  const packet = Buffer.alloc(length);
  packet.write('HEP3', 'latin1');
  packet.writeUInt16BE(length, 4);
  let at = chunkHead;
  for (const [type, data] of chunks) {
    packet.writeUInt16BE(type, at + 2);
    packet.writeUInt16BE(chunkHead + data.length, at + 4);
    packet.set(data, at + chunkHead);
    at += chunkHead + data.length;
  }
  return packet;
}

/** Zeros for an address that is not known, or is of the other family. */
function bytesOf({ address }: TraceEnd, isV6: boolean): Buffer {
  if (isV6 ? isIPv6(address) : isIPv4(address)) return Buffer.from(addressBytes(address));
  return Buffer.alloc(isV6 ? 16 : 4);
}

function number8(value: number): Buffer {
  return Buffer.of(value);
}

function number16(value: number): Buffer {
  const data = Buffer.alloc(2);
  data.writeUInt16BE(value);
  return data;
}

function number32(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(value >>> 0);
  return data;
}
