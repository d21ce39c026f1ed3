// Whatever grows with what clients send has a limit, is refused there with the reason, and works again with room.
import { Agent, request } from 'node:http';
import { assert, describe, expect } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { test } from '../support/test.js';

interface Reply {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

/** Calls commands of the daemon over one connection. */
function caller(t: Lifetime, daemon: Daemon): (method: string, params?: unknown) => Promise<Reply> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.onTestFinished(() => agent.destroy());
  return (method, params) => {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
      const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
      const sent = request(daemon.url, { method: 'POST', agent, headers }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => resolve(JSON.parse(Buffer.concat(pieces).toString('utf8'))));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  };
}

interface Growing {
  readonly what: string;
  /** Lines of the configuration behind httpd and mi_http. */
  readonly config: string;
  readonly args?: readonly string[];
  /** The call that adds one; a long text where it is a matter of bytes. */
  add(index: number): readonly [method: string, params: unknown];
  remove(index: number): readonly [method: string, params: unknown];
  /** Reads one that is there. */
  read(index: number): readonly [method: string, params: unknown];
  readonly refused: { readonly code: number; readonly reason: RegExp };
  /** About how many fit. */
  readonly fits: readonly [least: number, most: number];
}

const long = 'x'.repeat(2000);
const contact = (index: number, attributes = ''): readonly unknown[] => [
  'location',
  `user${index}`,
  `sip:user${index}@192.0.2.1${attributes}`,
  3600,
  '1',
  0,
  0,
  0,
];

const growing: readonly Growing[] = [
  {
    what: 'contacts, by the shared memory (-m)',
    config: 'loadmodule "usrloc.so"',
    args: ['-m', '1'],
    add: (index) => ['ul_add', contact(index, `;x=${long}`)],
    remove: (index) => ['ul_rm', ['location', `user${index}`]],
    read: (index) => ['ul_show_contact', ['location', `user${index}`]],
    refused: { code: 500, reason: /usrloc is full: it uses \d+ of 1048576 bytes of memory; .*max_bytes \(-m\)/ },
    fits: [400, 500],
  },
  {
    what: 'contacts, by max_bytes, over two domains',
    config:
      'loadmodule "usrloc.so"\nmodparam("usrloc", "max_bytes", 1000000)\nmodparam("usrloc", "domains", "location,other")',
    add: (index) => ['ul_add', contact(index, `;x=${long}`).with(0, index % 2 === 0 ? 'location' : 'other')],
    remove: (index) => ['ul_rm', [index % 2 === 0 ? 'location' : 'other', `user${index}`]],
    read: (index) => ['ul_show_contact', [index % 2 === 0 ? 'location' : 'other', `user${index}`]],
    refused: { code: 500, reason: /usrloc is full: it uses \d+ of 1000000 bytes/ },
    fits: [350, 500],
  },
  {
    what: 'contacts, by max_contacts',
    config: 'loadmodule "usrloc.so"\nmodparam("usrloc", "max_contacts", 300)',
    add: (index) => ['ul_add', contact(index)],
    remove: (index) => ['ul_rm', ['location', `user${index}`]],
    read: (index) => ['ul_show_contact', ['location', `user${index}`]],
    refused: { code: 500, reason: /usrloc is full: it has 300 contacts, the limit max_contacts/ },
    fits: [300, 300],
  },
  {
    what: 'contacts of one address of record, by their number',
    config: 'loadmodule "usrloc.so"',
    add: (index) => ['ul_add', contact(index).with(1, 'one')],
    remove: (index) => ['ul_rm_contact', ['location', 'one', `sip:user${index}@192.0.2.1`]],
    read: () => ['ul_show_contact', ['location', 'one']],
    refused: { code: 500, reason: /one has 128 contacts/ },
    fits: [100, 128],
  },
  {
    what: 'contacts of one address of record, by their bytes',
    config: 'loadmodule "usrloc.so"',
    add: (index) => ['ul_add', contact(index, `;x=${long}`).with(1, 'one')],
    remove: (index) => ['ul_rm_contact', ['location', 'one', `sip:user${index}@192.0.2.1;x=${long}`]],
    read: () => ['ul_show_contact', ['location', 'one']],
    refused: { code: 500, reason: /contacts of one would have more than 65536 bytes/ },
    fits: [25, 32],
  },
  {
    what: 'entries of a cache, by max_bytes',
    config: 'loadmodule "cachedb_local.so"\nmodparam("cachedb_local", "max_bytes", 1000000)',
    add: (index) => ['cache_store', ['local', `key${index}`, long]],
    remove: (index) => ['cache_remove', ['local', `key${index}`]],
    read: (index) => ['cache_fetch', ['local', `key${index}`]],
    refused: { code: 500, reason: /the cache holds \d+ of 1000000 bytes/ },
    fits: [200, 300],
  },
  {
    what: 'entries of a cache, by max_entries, over two collections',
    config:
      'loadmodule "cachedb_local.so"\nmodparam("cachedb_local", "max_entries", 200)\n' +
      'modparam("cachedb_local", "cachedb_url", "local:a:///one")\nmodparam("cachedb_local", "cachedb_url", "local:b:///two")',
    add: (index) => ['cache_store', [index % 2 === 0 ? 'local:a' : 'local:b', `key${index}`, 'x']],
    remove: (index) => ['cache_remove', [index % 2 === 0 ? 'local:a' : 'local:b', `key${index}`]],
    read: (index) => ['cache_fetch', [index % 2 === 0 ? 'local:a' : 'local:b', `key${index}`]],
    refused: { code: 500, reason: /the cache holds 200 entries, the limit max_entries/ },
    fits: [200, 200],
  },
  ...(
    [
      ['event_datagram', 'udp'],
      ['event_stream', 'tcp'],
      ['event_jsonrpc', 'jsonrpc'],
    ] as const
  ).map(
    ([module, protocol]): Growing => ({
      what: `subscribers of events by ${protocol}`,
      config: `loadmodule "${module}.so"\nmodparam("${module}", "max_subscribers", 50)`,
      add: (index) => ['event_subscribe', ['E_CORE_LOG', `${protocol}:127.0.0.1:${10000 + index}`]],
      remove: (index) => ['event_subscribe', ['E_CORE_LOG', `${protocol}:127.0.0.1:${10000 + index}`, 0]],
      read: (index) => ['subscribers_list', ['E_CORE_LOG', `${protocol}:127.0.0.1:${10000 + index}`]],
      refused: { code: 400, reason: new RegExp(`50 sockets are subscribed by ${protocol}, the limit max_subscribers`) },
      fits: [50, 50],
    }),
  ),
];

describe('a server with a small heap is filled until it refuses, read, emptied and filled again', () => {
  for (const { what, config, args = [], add, remove, read, refused, fits } of growing) {
    test(what, async ({ temporaryFiles, startDaemon, lifetime }) => {
      const lines = 'loadmodule "httpd.so"\nmodparam("httpd", "ip", "127.0.0.1")\nloadmodule "mi_http.so"\n';
      const file = `${temporaryFiles({ 'mi.cfg': `${lines}${config}\n` })}/mi.cfg`;
      const daemon = await startDaemon(['-f', file, '-p', '0', ...args], {
        through: [process.execPath, ['--max-old-space-size=32']],
      });
      const ask = caller(lifetime, daemon);
      const fill = async (): Promise<number> => {
        for (let index = 0; ; index++) {
          expect(index, `${index} fit`).toBeLessThanOrEqual(fits[1]);
          const { error } = await ask(...add(index));
          if (error === undefined) continue;
          expect(error.code).toBe(refused.code);
          expect(error.data ?? '').toMatch(refused.reason);
          return index;
        }
      };
      const first = await fill();
      expect(first, `${first} fit`).toBeGreaterThanOrEqual(fits[0]);
      for (let again = 0; again < 100; again++) assert((await ask(...add(first + again))).error !== undefined);
      assert('result' in (await ask(...read(first - 1))), 'what is there can be read');
      for (let index = 0; index < first; index++) expect((await ask(...remove(index))).result).toStrictEqual('OK');
      if (config.includes('event_')) await subscribersGone(ask);
      expect(await fill(), 'as much as before').toBe(first);
      if (!config.includes('usrloc')) return;
      const names = ['usrloc_refused', 'usrloc_used', 'usrloc_max'];
      const counts = (await ask('get_statistics', [names])).result as Record<string, number>;
      expect(counts['mem:usrloc_used'] ?? 0).toBeLessThanOrEqual(counts['mem:usrloc_max'] ?? 0);
      expect(counts['mem:usrloc_refused']).toBe(/full/.test(refused.reason.source) ? 102 : 0);
    });
  }
});

/** In the second in which it ends a subscription is still listed, and holds its place. */
async function subscribersGone(ask: (method: string, params?: unknown) => Promise<Reply>): Promise<void> {
  await expect.poll(async () => (await ask('subscribers_list')).result).toStrictEqual({ Events: [] });
}
