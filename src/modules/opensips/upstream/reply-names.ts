import { randomInt } from 'node:crypto';
import { lstatSync, readdirSync, readlinkSync, unlinkSync } from 'node:fs';

const prefix = 'mi-httpd-';

/** Characters of each part of a name, behind the prefix. */
const [spaceLength, pidLength, randomLength] = [4, 5, 7];

/** Bytes of the name of a reply FIFO, or of the socket that replies come to. */
export const replyNameLength = prefix.length + spaceLength + pidLength + randomLength;

const base = 36;
const form = /^mi-httpd-([0-9a-z]{4})([0-9a-z]{5})[0-9a-z]{7}$/;

/** A name that says whose it is: one that was killed cannot remove what has it. */
export function replyName(pid = process.pid): string {
  return prefix + ownSpace + digits(pid, pidLength) + digits(randomInt(base ** randomLength), randomLength);
}

/**
 * Removes the reply FIFOs and sockets of a folder that processes of this user have left, which were killed. A link is not
 * followed, and is none of them; of another container, whose processes are not seen here, nothing is touched.
 *
 * @returns how many there were
 */
export function removeLeftovers(folder: string): number {
  let removed = 0;
  try {
    for (const name of readdirSync(folder)) {
      const [, of, pid = ''] = form.exec(name) ?? [];
      if (of !== ownSpace || isAlive(Number.parseInt(pid, base))) continue;
      const found = lstatSync(folder + name, { throwIfNoEntry: false });
      if (found === undefined || !(found.isFIFO() || found.isSocket()) || found.uid !== process.geteuid?.()) continue;
      unlinkSync(folder + name);
      removed += 1;
    }
  } catch {
    // A folder that cannot be read, or written to, keeps what it has.
  }
  return removed;
}

const ownSpace = space();

/** The processes that this one sees. */
function space(): string {
  try {
    const [, number = '0'] = /^pid:\[([0-9]+)\]$/.exec(readlinkSync('/proc/self/ns/pid')) ?? [];
    return digits(Number(number) % base ** spaceLength, spaceLength);
  } catch {
    return digits(0, spaceLength);
  }
}

function digits(number: number, length: number): string {
  return number.toString(base).padStart(length, '0');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is that of another user.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
