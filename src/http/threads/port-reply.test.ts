import { expect, test } from 'vitest';
import type { FixedHead } from '../engine/engine.js';
import { PortReply, type ReplyPort } from './port-reply.js';
import { Asked, type FromHome } from './protocol.js';

/** A reply that has begun, and what it tells its face. */
function begun() {
  const told: FromHome[] = [];
  const port: ReplyPort = {
    chunkSize: 65_536,
    tell: (message) => told.push(message),
    numberOf: (_: FixedHead) => undefined,
    ended: () => {},
  };
  const receiver = { request: () => {}, bodyPiece: () => {}, tooMany: () => {}, gone: () => {} };
  const reply = new PortReply(() => receiver, port, []);
  reply.begin(1, '127.0.0.1', false, undefined);
  let woken = 0;
  reply.onWritable(() => woken++);
  return {
    reply,
    get woken() {
      return woken;
    },
    get pieces() {
      return told.filter(([kind]) => kind === Asked.piece).length;
    },
  };
}

const most = 262_144;
const piece = new Uint8Array(most);

test.each(['known', 'unknown'])('a reply of %s length waits for its client, whose every progress is told', (length) => {
  const sent = begun();
  const { reply } = sent;
  const write = (offset: number) =>
    length === 'known' ? reply.writeOf(4 * most, offset, piece, undefined) : reply.write(piece, undefined);
  expect(write(0)).toStrictEqual({ bytes: most, isFree: false, isComplete: false });
  reply.taken(1000);
  expect(sent.woken).toBe(1);
  expect(write(most)).toStrictEqual({ bytes: 0, isFree: false, isComplete: false });
  reply.taken(99_000);
  expect(sent.woken).toBe(2);
  expect(write(most)).toStrictEqual({ bytes: 100_000, isFree: false, isComplete: false });
  expect(sent.pieces).toBe(2);
  reply.taken(most);
  expect([sent.woken, write(most + 100_000).bytes]).toStrictEqual([3, most]);
});
