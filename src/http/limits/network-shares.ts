import { open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { formatAddress, networkOf } from '../../base/address.js';

/** Tables of the kernel with all TCP connections; only Linux has them. */
const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];

/** Bytes that are looked at in one turn. */
const pieceSize = 32768;

/** Milliseconds between two looks at the tables. */
const interval = 1000;

/** States in which this side has the connection open: ESTABLISHED and CLOSE_WAIT. */
const openStates: ReadonlySet<string> = new Set(['01', '08']);

/**
 * How many connections each network has open, so that none takes the room of all. The engine does not tell which
 * connection has gone: they are counted when they come, and the tables of the kernel are looked at, at most once a second
 * and only while there are so many that one network could have more than its share.
 */
export class NetworkShares {
  /** Open connections at the last look, and those that have come since. */
  #counts = new Map<string, number>();
  #since = new Map<string, number>();
  #isLooking = false;
  #lookedAt = -Infinity;
  #isKnown = true;

  /**
   * @param share most connections of one network
   * @param ports those that are listened on
   */
  constructor(
    readonly share: number,
    readonly ports: () => ReadonlySet<number>,
  ) {}

  /**
   * A connection has come.
   *
   * @param open all that are open, with this one
   * @returns true when its network has more than its share
   */
  arrived(network: string, open: number): boolean {
    if (open <= this.share / 4) {
      this.#counts.clear();
      this.#since.clear();
    } else if (!this.#isLooking && performance.now() - this.#lookedAt > interval) {
      void this.#look();
    }
    const since = (this.#since.get(network) ?? 0) + 1;
    this.#since.set(network, since);
    return this.#isKnown && open > this.share && (this.#counts.get(network) ?? 0) + since > this.share;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const counts = new Map<string, number>();
    const since = new Map<string, number>();
    // Those that come meanwhile may be in the tables, or not.
    const before = this.#since;
    this.#since = since;
    try {
      const networks = new Map<string, string>();
      for (const table of tables) await this.#read(table, counts, networks);
      this.#counts = counts;
      this.#isKnown = true;
    } catch {
      this.#isKnown = false;
      for (const [network, count] of since) before.set(network, (before.get(network) ?? 0) + count);
      this.#since = before;
    }
    this.#lookedAt = performance.now();
    this.#isLooking = false;
  }

  async #read(table: string, counts: Map<string, number>, networks: Map<string, string>): Promise<void> {
    const file = await open(table);
    try {
      const ports = new Set([...this.ports()].map((port) => port.toString(16).toUpperCase().padStart(4, '0')));
      const bytes = Buffer.alloc(pieceSize);
      let rest = '';
      for (;;) {
        const { bytesRead } = await file.read(bytes, 0, pieceSize);
        if (bytesRead === 0) return;
        const lines = (rest + bytes.toString('latin1', 0, bytesRead)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const [, port = '', remote = '', state = ''] =
            /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line) ?? [];
          if (!ports.has(port) || !openStates.has(state)) continue;
          let network = networks.get(remote);
          if (network === undefined) {
            network = networkOf(formatAddress(wordsOf(remote))) ?? '';
            networks.set(remote, network);
          }
          counts.set(network, (counts.get(network) ?? 0) + 1);
        }
      }
    } finally {
      await file.close();
    }
  }
}

/** The bytes of an address, which the kernel prints as numbers of 32 bits. */
function wordsOf(hex: string): Uint8Array {
  const bytes = Buffer.from(hex, 'hex');
  return endianness() === 'LE' ? bytes.swap32() : bytes;
}
