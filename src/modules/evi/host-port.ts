import { isIPv6 } from 'node:net';
import { EventSocketError } from '../../mi/event-transport.js';
import { shorten } from '../../text.js';

/** Where a socket of events leads. */
export interface HostPort {
  /** Address without brackets, or name in lower case. */
  readonly host: string;
  readonly port: number;
  /** What follows the port, from the slash on; '' without. */
  readonly rest: string;
}

const form = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]{1,253})):(\d{1,5})(\/.*)?$/;

/**
 * Reads the part of a socket behind its protocol: `127.0.0.1:8888`, `[::1]:8888`, `name:8888/method`.
 *
 * @throws EventSocketError that tells the form
 */
export function parseHostPort(protocol: string, text: string): HostPort {
  const [, six, name, digits = '', rest = ''] = form.exec(text) ?? [];
  const port = Number(digits);
  const host = (six ?? name)?.toLowerCase();
  if (host === undefined || (six !== undefined && !isIPv6(six)) || port < 1 || port > 65535) {
    const shown = JSON.stringify(shorten(`${protocol}:${text}`, 100));
    throw new EventSocketError(
      `socket ${shown} is not ${protocol}:HOST:PORT; IPv6 goes in brackets, ports from 1 to 65535`,
    );
  }
  return { host, port, rest };
}

/** Writes it as {@link parseHostPort} reads it. */
export function formatHostPort({ host, port, rest }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}${rest}`;
}
