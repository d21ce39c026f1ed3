import { open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { formatAddress, networkOf, originOf } from '../../base/address.js';
import { processTime } from '../../base/clock.js';
import { type CodedLog, LineRate } from '../../base/log.js';
import { SharedCount } from '../../base/shared-count.js';
import { SharedTable, type SharedTableMemory } from '../../base/shared-table.js';
import type { Connection, EngineHandlers } from '../engine/engine.js';
import { Counter, type HttpCounters } from './counters.js';
import { canOpen, exhausted } from './open-files.js';

/** Connections by Unix sockets that are taken when all others have been given away. */
export const unixReserve = 32;

/** Connections of addresses that are not allowed: as many get to send a request, and are told why it is refused. */
const refusedAtOnce = 16;

/** Least share of a network that is not set. */
const leastShare = 64;

/** The part of a listener that decides about its connections. */
interface LimitedListener {
  readonly setting: { readonly kind: 'http' | 'https' | 'unix' };
  /** Left out, connections from everywhere are taken. */
  readonly access?: { excludes(origin: string): boolean } | undefined;
}

/** The connections of all threads of a server, as a thread can be given them. */
export interface ConnectionsMemory {
  readonly open: SharedArrayBuffer;
  readonly excluded: SharedArrayBuffer;
  /** Undefined: there is one thread, which makes it once there are so many connections that it is needed. */
  readonly shares: SharesMemory | undefined;
}

/** @param most connections that may be open at once */
export function makeConnectionsMemory(most: number, threads = 1): ConnectionsMemory {
  return {
    open: SharedCount.make(threads),
    excluded: SharedCount.make(threads),
    shares: threads === 1 ? undefined : NetworkShares.make(most),
  };
}

/**
 * Counts the connections of a thread and the exchanges on them, keeps the connections of all threads within their limit,
 * and tells when a stopping server has nothing left to do.
 */
export class Connections {
  /** Those of this thread. */
  open = 0;
  /** Requests whose reply has not ended. */
  exchanges = 0;
  isStopping = false;
  /** While stopping: connections that will not close by themselves, having nothing to send. */
  #idle = 0;
  readonly #waiting = new Set<() => void>();
  readonly #log: CodedLog;
  /** Open connections that had a request, though the engine does not tell of their last reply: their end is not counted. */
  #excused = 0;
  /** True when the connection that ended last was counted as one without a request. */
  #wasCounted = false;
  /** Connections without a request since the log was told of some. */
  #unread = 0;
  readonly #max: number;
  readonly #unix: number;
  #shares: NetworkShares | undefined;
  /** Most connections of one network. */
  readonly #share: number;
  /** The network of the connection that came last before {@link #shares} were made. */
  #lastNetwork: string | undefined;
  readonly #ports = new Set<number>();
  readonly #all: SharedCount;
  /** Those of addresses that are not allowed, up to their first request. */
  readonly #excluded: SharedCount;
  readonly #rate = new LineRate();

  /**
   * @param limits `max` those by TCP together; `unix` those by Unix sockets more; `share` those of one network, 0: half of
   *   `max`, but 64 at least
   * @param memory that of all threads; left out, there is one
   */
  constructor(
    { max, unix, share }: { readonly max: number; readonly unix: number; readonly share: number },
    readonly counters: HttpCounters,
    log: CodedLog,
    memory: ConnectionsMemory = makeConnectionsMemory(max + unix),
    thread = 0,
  ) {
    this.#log = log;
    this.#max = max;
    this.#unix = unix;
    this.#all = new SharedCount(memory.open, thread);
    this.#excluded = new SharedCount(memory.excluded, thread);
    this.#share = share > 0 ? share : Math.max(Math.floor(max / 2), leastShare);
    if (memory.shares !== undefined) this.#shares = this.#sharesIn(memory.shares, thread);
  }

  #sharesIn(memory: SharesMemory, thread: number): NetworkShares {
    return new NetworkShares(this.#share, () => this.#ports, memory, thread);
  }

  /** A thread has ended, and its connections with it. */
  lost(thread: number): void {
    this.#all.lost(thread);
    this.#excluded.lost(thread);
    this.#shares?.lost(thread);
  }

  /** Takes the connections of a listener that come and go. */
  handlersOf(listener: LimitedListener): Pick<EngineHandlers, 'opened' | 'closed'> {
    return {
      opened: (connection) => {
        const open = this.#all.add();
        this.#changed(1);
        this.counters.add(Counter.connections_total, 1);
        // One that was accepted just before the listen socket closed.
        if (this.isStopping) this.#idle++;
        const reason = this.#refusal(listener, connection, open);
        if (reason !== undefined) this.#refuse(listener, connection, reason);
      },
      closed: (hadReply) => {
        this.#all.remove();
        this.#changed(-1);
        if (!hadReply) this.#endedUnread();
        this.#tell();
      },
    };
  }

  #changed(delta: number): void {
    this.open += delta;
    this.counters.add(Counter.connections, delta);
    this.#wasCounted = false;
    this.#tellUnread();
  }

  /**
   * Counts a connection that ended without a request: the engine answers what it cannot read (400, 431, 505) by itself, and
   * tells nothing of it. It does tell whether the last reply had a body.
   */
  #endedUnread(): void {
    if (this.#excused > 0) {
      this.#excused -= 1;
      return;
    }
    this.#wasCounted = true;
    this.counters.add(Counter.engine_refusals, 1);
    this.#unread += 1;
  }

  /** Of those before the connection that comes or goes: whether the last one had a request is known only now. */
  #tellUnread(): void {
    if (this.#unread === 0) return;
    if (!this.#rate.isDue('unread')) return;
    const connections = this.#unread === 1 ? 'a connection' : `${this.#unread} connections`;
    this.#unread = 0;
    this.#log.info(
      { code: 'connections-without-request' },
      `${connections} ended without a request: the engine refused what came (HTTP/1.0, a broken head), or nothing came; ` +
        'httpd:engine_refusals counts them',
    );
  }

  /** An exchange ended whose reply the engine does not tell of: its connection had a request all the same. */
  #excuse(): void {
    if (this.#wasCounted) {
      // It ended because the connection did, just now.
      this.#wasCounted = false;
      this.#unread = Math.max(0, this.#unread - 1);
      this.counters.add(Counter.engine_refusals, -1);
    } else if (this.#excused < this.open) {
      this.#excused += 1;
    }
  }

  /** A port is listened on. */
  listensOn(port: number): void {
    if (port !== 0) this.#ports.add(port);
  }

  /**
   * Why a connection that has come is refused, '' when nothing is told; undefined: it is taken.
   *
   * @param open all that were open when it came, with it
   */
  #refusal({ setting, access }: LimitedListener, connection: Connection, open: number): string | undefined {
    const isUnix = setting.kind === 'unix';
    // With the last descriptor the next one is accepted, so that it can be refused.
    if (!canOpen(1)) return exhausted;
    if (open > this.#max + (isUnix ? this.#unix : 0))
      return `${this.#max} connections are open, the limit max_connections`;
    if (isUnix) return undefined;
    const origin = originOf(false, connection.remoteAddress);
    if (access?.excludes(origin) === true) {
      if (!this.#excluded.take(refusedAtOnce)) return '';
      // The first request replaces this: its access tells that it is refused, see excludedAsked.
      connection.onGone(this.#excludedGone);
      return undefined;
    }
    const network = networkOf(origin);
    if (network === undefined || !this.#exceedsShare(network, open)) return undefined;
    return `${this.#share} connections from one address are open, the limit max_connections_address`;
  }

  #exceedsShare(network: string, open: number): boolean {
    if (this.#shares === undefined) {
      if (open <= this.#share / 4) {
        this.#lastNetwork = network;
        return false;
      }
      this.#shares = this.#sharesIn(NetworkShares.make(this.#max + this.#unix), 0);
      if (this.#lastNetwork !== undefined) this.#shares.arrived(this.#lastNetwork, 0);
    }
    return this.#shares.arrived(network, open);
  }

  readonly #excludedGone = (): void => {
    this.#excluded.remove();
  };

  /** A connection of an address that is not allowed has sent its request, which is refused. */
  excludedAsked(): void {
    if (this.#excluded.own > 0) this.#excluded.remove();
  }

  #refuse({ setting }: LimitedListener, connection: Connection, reason: string): void {
    this.counters.add(Counter.refused_connections, 1);
    if (!connection.tellsEveryReply) this.#excuse();
    if (reason === '') {
      connection.close();
      return;
    }
    if (this.#rate.isDue('refused')) {
      this.#log.warn(
        { code: 'connections-refused' },
        `connections are refused: ${reason}; httpd:refused_connections counts them`,
      );
    }
    // Before its handshake nothing can be told by TLS.
    if (setting.kind === 'https') connection.close();
    else connection.refuse(`${reason}; try again later`);
  }

  exchangeBegan(): void {
    this.exchanges++;
    if (this.isStopping) this.#idle--;
  }

  /** An exchange that has begun goes on as another one, which begins now. */
  exchangeHandedOn(): void {
    this.exchanges--;
    if (this.isStopping) this.#idle++;
  }

  /**
   * @param isClosing true when the connection closes by itself once the reply is sent
   * @param isTold true when the engine tells that there was a reply: one with a body of known length
   */
  exchangeEnded(isClosing: boolean, isTold: boolean): void {
    this.exchanges--;
    if (!isTold) this.#excuse();
    if (!this.isStopping) return;
    if (!isClosing) this.#idle++;
    this.#tell();
  }

  stop(): void {
    if (this.isStopping) return;
    this.isStopping = true;
    this.#idle = this.open - this.exchanges;
  }

  /** Resolves when every exchange has ended and its reply is on its way, or after `deadline` milliseconds. */
  drained(deadline: number): Promise<void> {
    return this.#until(() => this.#isDrained(), deadline);
  }

  /** Resolves when no connection is open, or after `deadline` milliseconds. */
  emptied(deadline: number): Promise<void> {
    return this.#until(() => this.open === 0, deadline);
  }

  #until(isOver: () => boolean, deadline: number): Promise<void> {
    if (isOver()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const look = (): void => {
        if (isOver()) done();
      };
      const timer = setTimeout(done, deadline);
      this.#waiting.add(look);
    });
  }

  /** Idle connections keep nobody waiting; one that sends the end of its reply does, since it closes afterwards. */
  #isDrained(): boolean {
    return this.exchanges === 0 && this.open <= Math.max(0, this.#idle);
  }

  #tell(): void {
    for (const look of this.#waiting) look();
  }
}

/** Tables of the kernel with all TCP connections; only Linux has them. */
const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];

/** Bytes that are looked at in one turn. */
const pieceSize = 32768;

/** Milliseconds between two looks at the tables. */
const interval = 1000;

/** States in which this side has the connection open: ESTABLISHED and CLOSE_WAIT. */
const openStates: ReadonlySet<string> = new Set(['01', '08']);

/** Numbers of a network. */
const Share = {
  /** Its open connections at the last look. */
  count: 0,
  /** Those that have come since. */
  since: 1,
  /** Those that had come before the look that is under way. */
  before: 2,
  width: 3,
} as const;

/** What is known of the looks at the tables. */
const Look = {
  /** The thread that looks, from 1 on; 0: none does. */
  by: 0,
  /** When the last one ended, by {@link processTime}; 0: there was none. */
  at: 1,
  /** 1: the tables cannot be read. */
  failed: 2,
  count: 3,
} as const;

/** Networks beyond the connections that may be open at once: those whose connections have gone since the last look. */
const moreNetworks = 4096;

/** The key of all networks that have no room of their own. */
const otherNetworks = -1;

/** Memory of {@link NetworkShares}, as a thread can be given it. */
export interface SharesMemory {
  readonly networks: SharedTableMemory;
  readonly look: SharedArrayBuffer;
}

/**
 * How many connections each network has open, in all threads, so that none takes the room of all. The engine does not tell
 * which connection has gone: they are counted when they come, and the tables of the kernel are looked at, by one thread, at
 * most once a second and only while there are so many that one network could have more than its share.
 *
 * There is room for as many networks as connections may be open, and {@link moreNetworks} more. Those beyond share one
 * count, so that none is let in because it could not be counted.
 */
export class NetworkShares {
  readonly #networks: SharedTable;
  readonly #look: Float64Array;
  readonly #thread: number;

  /**
   * @param share most connections of one network
   * @param ports those that are listened on
   */
  constructor(
    readonly share: number,
    readonly ports: () => ReadonlySet<number>,
    memory: SharesMemory,
    thread = 0,
  ) {
    this.#networks = new SharedTable(memory.networks);
    this.#look = new Float64Array(memory.look);
    this.#thread = thread;
  }

  /** @param most connections that may be open at once */
  static make(most: number): SharesMemory {
    return {
      // The last place is that of all others.
      networks: SharedTable.make(most + moreNetworks + 1, Share.width),
      look: new SharedArrayBuffer(Look.count * Float64Array.BYTES_PER_ELEMENT),
    };
  }

  /**
   * A connection has come.
   *
   * @param open all that are open, with this one
   * @returns true when its network has more than its share
   */
  arrived(network: string, open: number): boolean {
    const networks = this.#networks;
    const { cells } = networks;
    networks.lock();
    let isToLook = false;
    try {
      const isLooking = this.#look[Look.by] !== 0;
      if (open <= this.share / 4) this.#forgetAll(isLooking);
      else isToLook = !isLooking && processTime() - (this.#look[Look.at] ?? 0) > interval;
      if (isToLook) this.#beginLook();
      const start = this.#startOf(networks.keyOf(network));
      const since = (cells[start + Share.since] ?? 0) + 1;
      cells[start + Share.since] = since;
      const isKnown = this.#look[Look.failed] === 0;
      return isKnown && open > this.share && (cells[start + Share.count] ?? 0) + since > this.share;
    } finally {
      networks.unlock();
      if (isToLook) void this.#lookAtTables();
    }
  }

  /** A thread has ended: if it was looking, the next one may. */
  lost(thread: number): void {
    this.#networks.lock();
    try {
      const failed = this.#look[Look.failed] ?? 0;
      if (this.#look[Look.by] === thread + 1) this.#endLook(undefined);
      this.#look[Look.failed] = failed;
    } finally {
      this.#networks.unlock();
    }
  }

  /** Where the numbers of a network begin. */
  #startOf(key: number): number {
    const networks = this.#networks;
    let place = networks.find(key);
    if (place < 0) {
      const own = networks.size < networks.memory.capacity - 1 ? key : otherNetworks;
      place = own === key ? -1 : networks.find(own);
      if (place < 0) place = networks.add(own);
    }
    return networks.startOf(place);
  }

  #forgetAll(isLooking: boolean): void {
    if (!isLooking) {
      this.#networks.clear();
      return;
    }
    this.#each((start) => this.#networks.cells.fill(0, start, start + Share.before));
  }

  #beginLook(): void {
    const { cells } = this.#networks;
    this.#look[Look.by] = this.#thread + 1;
    // Those that come meanwhile may be in the tables, or not.
    this.#each((start) => {
      cells[start + Share.before] = cells[start + Share.since] ?? 0;
      cells[start + Share.since] = 0;
    });
  }

  /** @param counts what the tables have; undefined: they could not be read */
  #endLook(counts: ReadonlyMap<string, number> | undefined): void {
    const networks = this.#networks;
    const { cells } = networks;
    this.#look[Look.by] = 0;
    this.#look[Look.at] = processTime();
    this.#look[Look.failed] = counts === undefined ? 1 : 0;
    this.#each((start) => {
      if (counts === undefined) {
        cells[start + Share.since] = (cells[start + Share.since] ?? 0) + (cells[start + Share.before] ?? 0);
      } else cells[start + Share.count] = 0;
      cells[start + Share.before] = 0;
    });
    if (counts === undefined) return;
    this.#each((start, place) => {
      if (cells[start + Share.since] === 0) networks.delete(place);
    });
    for (const [network, count] of counts) {
      const at = this.#startOf(networks.keyOf(network)) + Share.count;
      cells[at] = (cells[at] ?? 0) + count;
    }
  }

  #each(work: (start: number, place: number) => void): void {
    const networks = this.#networks;
    for (let place = networks.oldest; place >= 0; ) {
      const next = networks.newerThan(place);
      work(networks.startOf(place), place);
      place = next;
    }
  }

  async #lookAtTables(): Promise<void> {
    let counts: Map<string, number> | undefined = new Map();
    try {
      const networks = new Map<string, string>();
      for (const table of tables) await this.#read(table, counts, networks);
    } catch {
      counts = undefined;
    }
    this.#networks.lock();
    try {
      this.#endLook(counts);
    } finally {
      this.#networks.unlock();
    }
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
