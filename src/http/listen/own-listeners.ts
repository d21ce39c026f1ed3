import { isIP } from 'node:net';
import { realPath } from '../../base/real-path.js';
import { type ListenSetting, settingName } from './setting.js';

const everyIPv4 = '0.0.0.0';
const everyIPv6 = '::';

/** Two listeners of one server cannot be open at the same time; the message is one line that names both, and what to do. */
export class CollisionError extends Error {
  /** @param places of the two among the settings, from 0 */
  constructor(
    message: string,
    readonly places: readonly [number, number],
  ) {
    super(message);
  }
}

/**
 * Compares the listeners of one server. The engine's socket for `[::]` takes IPv4 too, so that `0.0.0.0` and `[::]` with the
 * same port, kind and options become the one listener `*` that they amount to.
 *
 * @throws CollisionError for two listeners that cannot be open at the same time
 */
export function joinListeners(settings: readonly ListenSetting[]): readonly ListenSetting[] {
  const joined: ListenSetting[] = [];
  /** Where each of those is in `settings`. */
  const places: number[] = [];
  for (const [place, setting] of settings.entries()) {
    const at = joined.findIndex((earlier) => collide(earlier, setting));
    const earlier = joined[at];
    if (earlier === undefined) {
      joined.push(setting);
      places.push(place);
    } else if (isDualStack(earlier, setting)) joined[at] = { ...setting, address: '*' };
    else throw new CollisionError(collision(earlier, setting), [places[at] ?? 0, place]);
  }
  return joined;
}

function collide(one: ListenSetting, other: ListenSetting): boolean {
  if (one.kind === 'unix' || other.kind === 'unix') {
    return one.kind === other.kind && realPath(one.path) === realPath(other.path);
  }
  if (one.port !== other.port || one.port === 0) return false;
  const [a, b] = [canonical(one.address), canonical(other.address)];
  return a === b || covers(a, b) || covers(b, a);
}

/** Tells whether a socket of address `all` takes connections to `one` too. */
function covers(all: string, one: string): boolean {
  return all === everyIPv6 || (all === everyIPv4 && isIP(one) === 4);
}

function isDualStack(one: ListenSetting, other: ListenSetting): boolean {
  const addresses = new Set([one, other].map(({ address }) => canonical(address)));
  return (
    addresses.has(everyIPv4) &&
    addresses.has(everyIPv6) &&
    one.address !== '*' &&
    other.address !== '*' &&
    one.kind === other.kind &&
    one.options.size === other.options.size &&
    [...one.options].every(([name, value]) => other.options.get(name) === value)
  );
}

function collision(one: ListenSetting, other: ListenSetting): string {
  const [a, b] = [settingName(one), settingName(other)];
  if (a === b) return `listener ${a} is given twice: remove one`;
  if (one.kind === 'unix') return `listeners ${a} and ${b} are one path: remove one`;
  const both = `listeners ${a} and ${b} cannot both be open`;
  const places = [canonical(one.address), canonical(other.address)];
  if (places[0] === places[1]) return `${both}, for they have one address and port: give one of them another port`;
  if (places.includes(everyIPv4) && places.includes(everyIPv6)) {
    return (
      `${both}, for the socket of [::] takes IPv4 too: give both the same options, and they become one, or give one ` +
      'of them another port'
    );
  }
  const [all, part] = covers(places[0] ?? '', places[1] ?? '') ? [a, b] : [b, a];
  return `${both}, for ${all} takes what comes to ${part} too: remove one, or give one of them another port`;
}

/** One way to write each address; all addresses of both families are `::`, as the engine opens them. */
function canonical(address: string): string {
  if (address === '*') return everyIPv6;
  if (isIP(address) !== 6 || address.includes('%')) return address.toLowerCase();
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (mapped === null) return text;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
