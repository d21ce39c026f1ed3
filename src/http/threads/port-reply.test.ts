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

const piece = new Uint8Array(262_144);

test.each(['known', 'unknown'])('a reply of %s length waits for its client, whose every progress is told', (length) => {
  const sent = begun();
  const { reply } = sent;
  const write = (offset: number) =>
    length === 'known' ? reply.writeOf(4 * piece.length, offset, piece, undefined) : reply.write(piece, undefined);
  expect(write(0)).toStrictEqual({ bytes: piece.length, isFree: false, isComplete: false });
  reply.taken(1);
  expect(write(piece.length).bytes).toBe(piece.length);
  reply.taken(1000);
  expect(sent.woken).toBe(2);
  expect(write(2 * piece.length)).toStrictEqual({ bytes: 0, isFree: false, isComplete: false });
  expect(sent.pieces).toBe(2);
  reply.taken(piece.length);
  expect([sent.woken, write(2 * piece.length).bytes]).toStrictEqual([3, piece.length]);
});
