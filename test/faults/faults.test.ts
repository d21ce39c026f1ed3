// The n-th call of the addon, of the engine, of a timer or of a handler fails, for every n of every conversation.

import { assert, describe, expect } from 'vitest';
import { rests } from '../support/at-rest.js';
import { type Conversation, conversations, converse } from '../support/faults/conversations.js';
import { type FaultKind, faults } from '../support/faults/seams.js';
import { collectUncaught } from '../support/faults/uncaught.js';
import type { RawResponse } from '../support/raw-client.js';
import { test } from '../support/test.js';

// Loaded now, behind the seams.
const { startServer } = await import('../support/mi-client.js');
const { faultyModule } = await import('../support/faults/faulty-module.js');

const nothing = (): void => {};

const kinds: readonly FaultKind[] = ['native', 'engine', 'timer', 'early timer', 'handler'];

/** What a reply says, without what differs between two of a kind. */
function told({ statusLine, headers, text }: RawResponse, isOfNow: boolean): object {
  // A page tells how long its call took, in more digits when that is long: its length differs then.
  const isPage = headers.get('content-type')?.startsWith('text/html') === true;
  const passing = ['date', 'connection', ...(isPage ? ['content-length'] : [])];
  const lasting = [...headers].filter(([name]) => !passing.includes(name));
  // How long it took, and how much had been printed after the first half of a millisecond.
  const lastingText = text.replace(/\d+\.\d ms/g, 'N ms').replace(/more than [\d.]+ (?:k?B|bytes)/g, 'more than N');
  return { statusLine, headers: lasting.sort(), text: isOfNow ? '' : lastingText };
}

/** Fails unless the reply can be told from the right one: an error, and whole. */
function checkError({ status, headers, text }: RawResponse, right: RawResponse, name: string): void {
  for (const header of ['content-type', 'content-length', 'transfer-encoding']) {
    expect(headers.get(header)?.includes('|') ?? false, `${name}: two ${header}`).toBe(false);
  }
  expect(headers.has('content-length') || headers.get('transfer-encoding') === 'chunked', `${name}: no framing`).toBe(
    true,
  );
  if (headers.get('content-type') === 'application/json' && text !== '') {
    const reply = JSON.parse(text);
    if (Array.isArray(reply)) {
      checkBatch(reply, JSON.parse(right.text), name);
      return;
    }
    const { error } = reply;
    assert(error !== undefined && (status !== 200 || error.code === -32000), `${name}: ${text}`);
  } else if (status === 200) {
    // A page that has begun says that its result has not ended well, or that it was not waited for.
    expect(text, name).toMatch(/data-status="error"|<p class="cut" [^>]*>[^<]*(?:before it failed|more than )/);
  } else {
    expect(status, `${name}: status ${status}`).toBeGreaterThanOrEqual(400);
  }
}

/** A request of a batch has its own reply or an error, and none goes missing. */
function checkBatch(replies: readonly unknown[], right: readonly unknown[], name: string): void {
  expect(replies.length, `${name}: ${replies.length} replies`).toBe(right.length);
  for (const [index, reply] of replies.entries()) {
    const { error, id } = reply as { error?: { code: number }; id: unknown };
    if (error?.code === -32000) expect(id, name).toBe((right[index] as { id: unknown }).id);
    else expect(reply, name).toStrictEqual(right[index]);
  }
}

function check(expected: readonly RawResponse[], found: readonly RawResponse[], name: string, isOfNow: boolean): void {
  for (const [index, reply] of found.entries()) {
    const right = expected[index];
    assert(right !== undefined, `${name}: one reply too many`);
    try {
      expect(told(reply, isOfNow)).toStrictEqual(told(right, isOfNow));
    } catch {
      checkError(reply, right, name);
    }
  }
}

describe('when one call fails', () => {
  for (const kind of kinds) {
    for (const conversation of conversations) {
      test(`of kind ${kind}, in ${conversation.name}`, async ({ lifetime, annotate }) => {
        const unhandled = collectUncaught(lifetime);
        const server = await startServer(lifetime, {
          modules: [faultyModule()],
          log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
          httpd: { buf_size: 1024, receive_buf_size: 32_768, conn_timeout: 1 },
          mi_http: { mi_timeout: 1, pretty_printing: conversation.pretty === true ? 1 : 0 },
        });
        const atRest = await rests(server, 4000);
        faults.arm(kind, 0);
        const { replies: expected, isCut } = await converse(server.port, conversation);
        expect(isCut).toBe(false);
        await atRest();
        const calls = await countCalls(server.port, kind, conversation);
        annotate(`${calls} calls`);
        for (let n = 1; n <= calls; n++) {
          faults.arm(kind, n);
          const { replies } = await converse(server.port, conversation);
          faults.disarm();
          const name = `${kind} ${n} (${faults.failed})`;
          check(expected, replies, name, conversation.isOfNow === true);
          expect(unhandled, name).toStrictEqual([]);
          try {
            await atRest();
          } catch (difference) {
            throw new Error(`${name}: something was kept`, { cause: difference });
          }
        }
      });
    }
  }
});

/** How many calls of a kind there are when nothing fails. */
async function countCalls(port: number, kind: FaultKind, conversation: Conversation): Promise<number> {
  faults.arm(kind, 0);
  await converse(port, conversation);
  const { seen } = faults;
  faults.disarm();
  return seen;
}
