import { describe, expect, test } from 'vitest';
import { type InheritedSocket, inheritSockets } from './inherited.js';
import { parseListenSetting } from './setting.js';

let descriptor = 3;
const tcp = (address: string, port: number, name = 'mi.socket'): InheritedSocket => ({
  descriptor: descriptor++,
  name,
  address,
  port,
  path: '',
});
const unix = (path: string, name = 'mi.socket'): InheritedSocket => ({
  descriptor: descriptor++,
  name,
  address: '',
  port: 0,
  path,
});

const cases: readonly [what: string, listeners: readonly string[], sockets: InheritedSocket[], places: number[]][] = [
  ['nothing is handed over', ['http:*:8888'], [], []],
  ['addresses agree', ['http:*:1', 'http:127.0.0.1:2', 'unix:/run/a'], [unix('/run/a'), tcp('127.0.0.1', 2)], [2, 1]],
  ['* takes both families', ['http:*:8888'], [tcp('0.0.0.0', 8888), tcp('::', 8888)], [0, 0]],
  ['an address is written in two ways', ['http:[2001:DB8:0::1]:8888'], [tcp('2001:db8::1', 8888)], [0]],
  ['a path is written in two ways', ['unix:/run/../run/a'], [unix('/run/a')], [0]],
  [
    'all sockets of a unit have one name',
    ['https:*:443;socket=mi.socket', 'http:127.0.0.1:80;socket=mi.socket', 'http:127.0.0.1:8080'],
    [tcp('::', 443), tcp('127.0.0.1', 80), tcp('127.0.0.1', 8080)],
    [0, 1, 2],
  ],
  [
    'names tell ports apart',
    ['http:127.0.0.1:0;socket=a', 'http:127.0.0.1:0;socket=b'],
    [tcp('127.0.0.1', 7, 'b'), tcp('127.0.0.1', 8, 'a')],
    [1, 0],
  ],
];

describe('sockets of the service manager', () => {
  for (const [what, listeners, sockets, places] of cases) {
    test(what, () => {
      const found = inheritSockets(listeners.map(parseListenSetting), sockets);
      expect(sockets.map((socket) => found.findIndex((some) => some.includes(socket)))).toStrictEqual(places);
      expect(found.flat().length).toBe(sockets.length);
    });
  }

  for (const [listener, socket, reason] of [
    [
      'http:127.0.0.1:8888',
      tcp('0.0.0.0', 8888),
      /"mi\.socket" at 0\.0\.0\.0:8888, and no listener .*127\.0\.0\.1:8888/,
    ],
    ['http:0.0.0.0:8888', tcp('::', 8888), /at \[::\]:8888, and no listener/],
    ['http:127.0.0.1:0', tcp('127.0.0.1', 7), /and no listener/],
    ['http:127.0.0.1:7;socket=other', tcp('127.0.0.1', 7), /and no listener/],
    [
      'http:127.0.0.1:7;socket=mi.socket',
      tcp('127.0.0.1', 8),
      /asks for it is http:127\.0\.0\.1:7: give both the same/,
    ],
    ['http:127.0.0.1:0;socket=mi.socket', tcp('0.0.0.0', 8), /asks for it is http:127\.0\.0\.1:0/],
    ['http:127.0.0.1:0;socket=mi.socket', unix('/run/a'), /at \/run\/a, and the listener that asks for it/],
    ['unix:/run/a', unix('@/run/a'), /at @\/run\/a, and no listener/],
    ['unix:/run/a', unix(''), /at no address, and no listener/],
  ] as const) {
    test(`${listener} does not take one at ${socket.address}${socket.path} ${socket.port}`, () => {
      expect(() => inheritSockets([parseListenSetting(listener)], [socket])).toThrow(reason);
    });
  }
});
