import type { JsonValue } from '#src/base/json.js';
import type { Log } from '#src/base/log.js';
import type { Cursor } from '#src/mi/results/cursor.js';
import { parseTransport } from '#src/modules/opensips/upstream/setting.js';
import type {
  Upstream,
  UpstreamCall,
  UpstreamLimits,
  UpstreamResult,
} from '#src/modules/opensips/upstream/transport.js';
import { openUpstream } from '#src/modules/opensips/upstream/upstream.js';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Opens a node by transports as they are configured. */
export function node(transports: readonly string[], limits: Partial<UpstreamLimits> = {}, log: Log = silent): Upstream {
  return openUpstream({ name: 'sip-1', transports: transports.map(parseTransport), log, limits });
}

/** A call that only reads, has a short reply and time enough, unless it is told otherwise. */
export function reading(method: string, more: Partial<UpstreamCall> = {}): UpstreamCall {
  return { method, isReadOnly: true, isLarge: false, timeout: 60_000, ...more };
}

/** A call that changes something. */
export function changing(
  method: string,
  params: UpstreamCall['params'],
  more: Partial<UpstreamCall> = {},
): UpstreamCall {
  return { method, params, isReadOnly: false, isLarge: false, timeout: 60_000, ...more };
}

/** The text of a result, whole. */
export async function wholeText(result: UpstreamResult): Promise<string> {
  if (typeof result === 'string') return result;
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(result)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** The pieces of a stream, each a copy. */
async function* piecesOf(cursor: Cursor, size = 65536): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(size);
  try {
    for (;;) {
      const length = await cursor.fill(buffer);
      if (length === 0) return;
      yield Buffer.from(buffer.subarray(0, length));
    }
  } finally {
    cursor.release();
  }
}

/** Runs a call and parses what it gave. */
export async function answer(upstream: Upstream, call: UpstreamCall): Promise<JsonValue> {
  return JSON.parse(await wholeText(await upstream.call(call))) as JsonValue;
}
