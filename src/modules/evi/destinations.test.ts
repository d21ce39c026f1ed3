import { isIP } from 'node:net';
import fc from 'fast-check';
import { assert, describe, expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import { MiError } from '../../mi/errors.js';
import { EventSocketError } from '../../mi/events/events.js';
import { Destinations, destinationsProblem, formatHostPort, type HostPort, parseHostPort } from './destinations.js';
import { raisedParameters } from './index.js';

const hosts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
const ports = fc.integer({ min: 1, max: 65535 });

describe('sockets of events', () => {
  test('every host and port is read as it was written', () => {
    holds(
      fc.property(hosts, ports, fc.constantFrom('', '/method'), (host, port, rest) => {
        const written = formatHostPort({ host: host.toLowerCase(), port, rest });
        expect(parseHostPort('tcp', written)).toStrictEqual({ host: host.toLowerCase(), port, rest });
      }),
    );
  });

  test('any text is read the same when it is written again, or refused', () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^[[\]0-9a-z.:/]{0,30}$/));
    holds(
      fc.property(texts, (text) => {
        let read: HostPort;
        try {
          read = parseHostPort('udp', text);
        } catch (error) {
          assert(error instanceof EventSocketError);
          expect(error.message.length).toBeLessThan(400);
          return;
        }
        expect(parseHostPort('udp', formatHostPort(read))).toStrictEqual(read);
      }),
    );
  });

  test('destinations are those of the list, and no others', () => {
    const list = new Destinations('127.0.0.0/8, ::1 ,192.0.2.7,2001:db8::/32');
    for (const address of ['127.0.0.1', '127.255.0.3', '::1', '192.0.2.7', '2001:db8:1::2', '::ffff:127.0.0.1']) {
      expect(list.resolve(address)).toBe(address);
    }
    for (const address of ['128.0.0.1', '0.0.0.0', '::', '::2', '192.0.2.8', '2001:db9::1', '::ffff:10.0.0.1']) {
      expect(() => list.resolve(address), address).toThrow(EventSocketError);
    }
    const none = new Destinations('');
    expect(() => none.resolve('127.0.0.1')).toThrow(
      /127\.0\.0\.1 is not among .*: the parameter destinations is empty; add/,
    );
    holds(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (ip) => new Destinations('0.0.0.0/0, ::/0').resolve(ip) === ip));
  });

  test('a list with anything else in it has a problem', () => {
    for (const list of ['', '127.0.0.1', '::1/128', ' 10.0.0.0/8 , ::/0 '])
      expect(destinationsProblem(list)).toBe(undefined);
    for (const list of ['localhost', '10.0.0.0/33', '::1/129', '10.0.0.0/', '10.0.0.0/-1', '1.2.3.4/8/8', '1.2.3']) {
      expect(destinationsProblem(list) ?? '', list).toMatch(/neither an address nor a network|prefix length/);
    }
    holds(
      fc.property(fc.string(), (list) => {
        // An accepted list can be used.
        if (destinationsProblem(list) === undefined) new Destinations(list);
        else expect(isIP(list) === 0).toBe(true);
      }),
    );
  });

  test('parameters of raise_event are texts and numbers, or refused with 400', () => {
    holds(
      fc.property(fc.oneof(fc.jsonValue(), fc.json()), (given) => {
        try {
          const parameters = raisedParameters(given as never);
          for (const value of Object.values(parameters)) expect(['string', 'number']).toContain(typeof value);
        } catch (error) {
          assert(error instanceof MiError);
          expect(error.code).toBe(400);
        }
      }),
    );
  });
});
