import { CallError, type VerbClient } from './client.js';

/** A contact to be sent: a line of the input, as it stands there. */
export interface LoadLine {
  readonly number: number;
  /** The table of usrloc that it is for. */
  readonly domain: string;
  readonly text: string;
  /** The key of the order: lines of one address of record are sent one after the other. */
  readonly aor: string;
}

/** Receiver of the outcome of each line. */
export interface LoadOutcome {
  added(count: number): void;
  rejected(line: number, reason: string): void;
}

/**
 * Bytes of a batch: far below the body that every server takes, and however short its contacts are, they have fewer values
 * than max_values allows.
 */
const batchSize = 32768;

/** The part of the request that one line makes. */
const separator = 1;

/**
 * Sends contacts in batches, a few of which are under way at a time. A contact waits for those of the same address of
 * record that came before, so the last of several lines for one contact counts.
 */
export class LoadLanes {
  readonly #client: VerbClient;
  readonly #outcome: LoadOutcome;
  readonly #lanes: { lines: LoadLine[]; bytes: number; sending: Promise<void> }[];
  #fail: (error: unknown) => void = () => {};
  /** Rejects with the first lane that fails: the others may wait long for their answers. */
  readonly #failed = new Promise<never>((_resolve, reject) => {
    this.#fail = reject;
  });

  constructor(client: VerbClient, lanes: number, outcome: LoadOutcome) {
    this.#client = client;
    this.#outcome = outcome;
    this.#lanes = Array.from({ length: lanes }, () => ({ lines: [], bytes: 0, sending: Promise.resolve() }));
    // It is awaited with every lane; until then it is no unhandled one.
    this.#failed.catch(() => {});
  }

  /**
   * Takes a contact; resolves when the next can be taken.
   *
   * @throws whatever ends the load: {@link CallError} or a broken connection
   */
  async add(line: LoadLine): Promise<void> {
    const lane = this.#lanes[laneOf(line.aor, this.#lanes.length)];
    if (lane === undefined) return;
    const bytes = Buffer.byteLength(line.text) + separator;
    const isOther = lane.lines[0]?.domain !== line.domain;
    if (lane.bytes > 0 && (isOther || lane.bytes + bytes > batchSize)) await this.#send(lane);
    lane.lines.push(line);
    lane.bytes += bytes;
  }

  /** Sends what is left, and resolves when all of it has been answered. */
  async finish(): Promise<void> {
    for (const lane of this.#lanes) await this.#send(lane);
    await Promise.all(this.#lanes.map(({ sending }) => sending));
  }

  async #send(lane: { lines: LoadLine[]; bytes: number; sending: Promise<void> }): Promise<void> {
    await Promise.race([this.#failed, lane.sending]);
    const { lines } = lane;
    lane.lines = [];
    lane.bytes = 0;
    if (lines.length === 0) return;
    lane.sending = this.#sendBatch(lines);
    lane.sending.catch(this.#fail);
  }

  async #sendBatch(lines: readonly LoadLine[]): Promise<void> {
    const contacts = lines.map(({ text }) => text).join(',');
    let result: unknown;
    try {
      const params = `{"table_name":${JSON.stringify(lines[0]?.domain)},"contacts":[${contacts}]}`;
      result = await this.#client.call('usrloc:add_many', params);
    } catch (error) {
      if (!(error instanceof CallError) || !isFaultOfLines(error)) throw error;
      await this.#sendHalves(lines, error);
      return;
    }
    const rejected = rejectedOf(result, lines.length);
    this.#outcome.added(lines.length - rejected.length);
    for (const { index, reason } of rejected) this.#outcome.rejected(lines[index]?.number ?? 0, reason);
  }

  /** A batch that is too large, or has a line that spoils it, is halved until that line is alone. */
  async #sendHalves(lines: readonly LoadLine[], error: CallError): Promise<void> {
    const [first] = lines;
    if (lines.length === 1 && first !== undefined) {
      this.#outcome.rejected(first.number, error.message);
      return;
    }
    const middle = Math.ceil(lines.length / 2);
    await this.#sendBatch(lines.slice(0, middle));
    await this.#sendBatch(lines.slice(middle));
  }
}

/** Too large, or not valid to the server; anything else, such as an unknown domain, would meet every batch. */
function isFaultOfLines({ rpcCode: code, status }: CallError): boolean {
  return status === 413 || code === -32700 || code === -32600 || code === -32602;
}

interface Rejected {
  readonly index: number;
  readonly reason: string;
}

/** @param count lines that were sent */
function rejectedOf(result: unknown, count: number): readonly Rejected[] {
  const { rejected } = (typeof result === 'object' && result !== null ? result : {}) as { rejected?: unknown };
  const isOne = (item: unknown): item is Rejected => {
    const { index, reason } = (typeof item === 'object' && item !== null ? item : {}) as Partial<Rejected>;
    return Number.isInteger(index) && Number(index) >= 0 && Number(index) < count && typeof reason === 'string';
  };
  if (Array.isArray(rejected) && rejected.every(isOne)) return rejected;
  throw new CallError('answer of usrloc:add_many has no list of what was rejected', undefined, 200);
}

/** By the user part: without `use_domain`, addresses of several domains are one. */
function laneOf(aor: string, lanes: number): number {
  const at = aor.indexOf('@');
  const end = at < 0 ? aor.length : at;
  let hash = 0;
  for (let index = 0; index < end; index++) hash = (Math.imul(hash, 31) + aor.charCodeAt(index)) >>> 0;
  return hash % lanes;
}
