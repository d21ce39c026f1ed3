import { randomBytes } from 'node:crypto';
import { close, openSync, read, unlinkSync, writev } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../../../base/text.js';
import { UpstreamFailure, type UpstreamStream } from './transport.js';

/** Replies that may fill their memory at once. Slow readers may be many more: then replies wait in files alone. */
const repliesInMemory = 16;

/** Bytes that several replies may take, up to a limit. */
export class Allowance {
  #used = 0;

  constructor(readonly most: number) {}

  /** Bytes that are taken. */
  get used(): number {
    return this.#used;
  }

  /** @returns false when there is no room for so many bytes more */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.most) return false;
    this.#used += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#used -= bytes;
  }
}

/** Bytes of a block of memory that replies wait in. */
const blockSize = 16_384;

/** Blocks that are kept for the next reply. */
const keptBlocks = 128;

/** What the replies of one node may keep waiting, and where. What is taken of it is in files, or on the way there. */
export class SpillRoom extends Allowance {
  readonly #blocks: Buffer[] = [];
  #held = 0;
  #onTheWay = 0;

  /**
   * @param memory bytes of one reply that wait in memory
   * @param mostOnTheWay bytes of all replies that are on the way to files
   * @param most bytes of all replies that wait in files
   * @param folder where these files are; they have no names
   */
  constructor(
    readonly memory: number,
    readonly mostOnTheWay: number,
    most: number,
    readonly folder: string,
  ) {
    super(most);
  }

  /** Memory of {@link blockSize}. */
  block(): Buffer {
    return this.#blocks.pop() ?? Buffer.allocUnsafeSlow(blockSize);
  }

  /** A block that nothing refers to any more. */
  reuse(block: Buffer): void {
    if (this.#blocks.length < keptBlocks) this.#blocks.push(block);
  }

  /**
   * Holds bytes of a reply in memory.
   * @param held bytes of it that are there already
   * @returns false where that would be too much: of this reply, or of all
   */
  hold(bytes: number, held: number): boolean {
    if (held + bytes > this.memory || this.#held + bytes > repliesInMemory * this.memory) return false;
    this.#held += bytes;
    return true;
  }

  /** More are held, or fewer. */
  holds(bytes: number): void {
    this.#held += bytes;
  }

  /** Bytes of all replies that are in memory, without those on the way to files. */
  get held(): number {
    return this.#held;
  }

  /** More are on the way to files, or fewer. */
  moves(bytes: number): void {
    this.#onTheWay += bytes;
  }

  /** True when files take less than what comes. */
  get isJammed(): boolean {
    return this.#onTheWay > this.mostOnTheWay;
  }

  /** Bytes of all replies that wait in memory. */
  get inMemory(): number {
    return this.#held + this.#onTheWay;
  }

  /** Bytes of all replies that wait in files. */
  get inFiles(): number {
    return this.used - this.#onTheWay;
  }
}

/** Bytes that a reader that waits is given at once. OpenSIPS writes 4096 at a time, each of which would be a write of ours. */
const enough = 32768;

/** Milliseconds that it waits for more. */
const gatherTime = 1;

/** Bytes of a reply in a block of memory. */
interface Part {
  readonly block: Buffer;
  begin: number;
  end: number;
}

/** Parts that are taken, and still stand in their list. */
const mostTaken = 256;

/** Bytes of a reply, in their order. They lie in blocks, which are used again: what a socket reads into is for the next bytes. */
class Pieces {
  readonly #room: SpillRoom;
  #list: Part[] = [];
  /** Parts at the beginning of the list that are taken: to shift a long list moves all of it. */
  #taken = 0;
  bytes = 0;

  constructor(room: SpillRoom) {
    this.#room = room;
  }

  get isEmpty(): boolean {
    return this.#taken === this.#list.length;
  }

  /** Adds a copy of bytes. */
  add(piece: Uint8Array): void {
    this.bytes += piece.length;
    let at = 0;
    while (at < piece.length) {
      let last = this.isEmpty ? undefined : this.#list.at(-1);
      if (last === undefined || last.end === last.block.length) {
        last = { block: this.#room.block(), begin: 0, end: 0 };
        this.#list.push(last);
      }
      const length = Math.min(piece.length - at, last.block.length - last.end);
      last.block.set(piece.subarray(at, at + length), last.end);
      last.end += length;
      at += length;
    }
  }

  /** Fills a buffer from the beginning. @returns the bytes */
  take(buffer: Buffer): number {
    let at = 0;
    while (at < buffer.length) {
      const part = this.#list[this.#taken];
      if (part === undefined) break;
      const length = Math.min(part.end - part.begin, buffer.length - at);
      buffer.set(part.block.subarray(part.begin, part.begin + length), at);
      at += length;
      part.begin += length;
      if (part.begin < part.end) break;
      this.#room.reuse(part.block);
      this.#taken += 1;
    }
    this.bytes -= at;
    if (this.isEmpty) this.#forget();
    else if (this.#taken >= mostTaken) {
      this.#list.splice(0, this.#taken);
      this.#taken = 0;
    }
    return at;
  }

  /** Gives all of them away, with their blocks. */
  all(): Part[] {
    const all = this.#list.slice(this.#taken);
    this.#forget();
    return all;
  }

  /** Adds what another has given away. */
  append(parts: readonly Part[], bytes: number): void {
    this.#list.push(...parts);
    this.bytes += bytes;
  }

  clear(): void {
    for (const { block } of this.all()) this.#room.reuse(block);
  }

  #forget(): void {
    this.#list = [];
    this.#taken = 0;
    this.bytes = 0;
  }
}

interface Fill {
  readonly buffer: Buffer;
  readonly resolve: (written: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A long result between OpenSIPS, which must not wait, and its reader, which may be slow. What is not read yet waits in memory, and
 * beyond that in a file that was unlinked when it was made.
 */
export class Spool implements UpstreamStream {
  readonly isSlow = true;
  readonly #room: SpillRoom;
  readonly #released: () => void;
  /** In front of what is in the file. */
  readonly #front: Pieces;
  /** Behind what is in the file. */
  readonly #back: Pieces;
  #writing = 0;
  #file: number | undefined;
  /** Of the file: what is read, and what is written. */
  #read = 0;
  #written = 0;
  #isReading = false;
  #isEnded = false;
  #failure: UpstreamFailure | undefined;
  #isReleased = false;
  #waiting: Fill | undefined;
  #gather: NodeJS.Timeout | undefined;

  /** @param released told once, when the reader wants no more before the end came */
  constructor(room: SpillRoom, released: () => void) {
    this.#room = room;
    this.#front = new Pieces(room);
    this.#back = new Pieces(room);
    this.#released = released;
  }

  /** Bytes that wait in memory. */
  get inMemory(): number {
    return this.#front.bytes + this.#back.bytes + this.#writing;
  }

  /** Why the reply has no sound end; undefined while it may have one. */
  get failure(): UpstreamFailure | undefined {
    return this.#failure;
  }

  /** Gathers small pieces; serves at once where no timer can be made. */
  #serveSoon(): void {
    try {
      this.#gather ??= setTimeout(() => this.#serve(), gatherTime);
    } catch {
      this.#serve();
    }
  }

  /** True if there is more behind what is in front. */
  get #hasBehind(): boolean {
    return !this.#back.isEmpty || this.#writing > 0 || this.#written > this.#read;
  }

  /** Takes a copy of bytes. Never fails: the reader is told of a failure. */
  push(bytes: Uint8Array): void {
    if (this.#isReleased || this.#failure !== undefined || bytes.length === 0) return;
    if (!this.#hasBehind && this.#room.hold(bytes.length, this.#front.bytes)) {
      this.#front.add(bytes);
      if (this.#front.bytes >= enough) this.#serve();
      else this.#serveSoon();
      return;
    }
    if (!this.#room.take(bytes.length)) {
      this.fail(
        new UpstreamFailure(
          'broken',
          `${this.#room.most} bytes of replies wait for slow clients, as many as may`,
          true,
        ),
      );
      return;
    }
    this.#back.add(bytes);
    this.#room.moves(bytes.length);
    if (this.#room.isJammed) {
      this.fail(new UpstreamFailure('broken', `files in ${this.#room.folder} take a long reply too slowly`, true));
      return;
    }
    this.#write();
  }

  /** The reply is whole. */
  end(): void {
    this.#isEnded = true;
    this.#serve();
  }

  /** The reply has no sound end. What came before it is not read any more. */
  fail(failure: UpstreamFailure): void {
    if (!this.#isEnded) this.#break(failure);
  }

  /** What came cannot be kept, or not be had again: a reply that has ended is lost then, too. */
  #break(failure: UpstreamFailure): void {
    if (this.#failure !== undefined || this.#isReleased) return;
    this.#failure = failure;
    this.#drop();
    if (!this.#isEnded) this.#released();
    this.#serve();
  }

  fill(buffer: Buffer): number | Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#front.bytes >= enough || (this.#front.bytes > 0 && this.#hasBehind)) return this.#takeFront(buffer);
    return new Promise((resolve, reject) => {
      this.#waiting = { buffer, resolve, reject };
      if (this.#front.bytes > 0 && !this.#isEnded) this.#serveSoon();
      else this.#serve();
    });
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    clearTimeout(this.#gather);
    this.#drop();
    if (!this.#isEnded && this.#failure === undefined) this.#released();
    const waiting = this.#waiting;
    // The memory of one that is being read into is the reader's when the file is done with it.
    if (!this.#isReading) {
      this.#waiting = undefined;
      waiting?.resolve(0);
    }
  }

  #takeFront(buffer: Buffer): number {
    const taken = this.#front.take(buffer);
    this.#room.holds(-taken);
    return taken;
  }

  /** Gives the reader that waits what there is. */
  #serve(): void {
    clearTimeout(this.#gather);
    this.#gather = undefined;
    const waiting = this.#waiting;
    if (waiting === undefined || this.#isReading) return;
    if (this.#failure !== undefined) {
      this.#waiting = undefined;
      waiting.reject(this.#failure);
      return;
    }
    if (this.#front.bytes === 0 && this.#written > this.#read) {
      this.#readFile(waiting);
      return;
    }
    if (this.#front.bytes === 0 && this.#writing === 0 && !this.#back.isEmpty) this.#advance();
    if (this.#front.bytes > 0) {
      this.#waiting = undefined;
      waiting.resolve(this.#takeFront(waiting.buffer));
    } else if (this.#isEnded && this.#writing === 0) {
      this.#waiting = undefined;
      this.#drop();
      waiting.resolve(0);
    }
  }

  /** The file is read: what waited behind it is next. */
  #advance(): void {
    const { bytes } = this.#back;
    this.#room.giveBack(bytes);
    this.#room.moves(-bytes);
    this.#front.append(this.#back.all(), bytes);
    this.#room.holds(bytes);
  }

  #write(): void {
    if (this.#writing > 0 || this.#back.bytes === 0) return;
    try {
      this.#file ??= openNameless(this.#room.folder);
    } catch (error) {
      this.#break(new UpstreamFailure('broken', `a long reply cannot wait in a file: ${reasonOf(error)}`, true));
      return;
    }
    const file = this.#file;
    const { bytes } = this.#back;
    const parts = this.#back.all();
    const pieces = parts.map(({ block, begin, end }) => block.subarray(begin, end));
    this.#writing = bytes;
    writev(file, pieces, this.#written, (error, written) => {
      for (const { block } of parts) this.#room.reuse(block);
      this.#writing = 0;
      this.#room.moves(-bytes);
      if (this.#isReleased || this.#failure !== undefined) {
        this.#room.giveBack(bytes);
        this.#closeFile();
        return;
      }
      if (error !== null || written !== bytes) {
        this.#room.giveBack(bytes);
        this.#break(
          new UpstreamFailure('broken', `a long reply cannot wait in a file: ${reasonOf(error ?? 'it is full')}`, true),
        );
        return;
      }
      this.#written += bytes;
      this.#serve();
      this.#write();
    });
  }

  #readFile(waiting: Fill): void {
    const file = this.#file;
    if (file === undefined) return;
    const { buffer } = waiting;
    const length = Math.min(buffer.length, this.#written - this.#read);
    this.#isReading = true;
    read(file, buffer, 0, length, this.#read, (error, bytes) => {
      this.#isReading = false;
      this.#waiting = undefined;
      if (this.#isReleased || this.#failure !== undefined) {
        this.#closeFile();
        if (this.#failure === undefined) waiting.resolve(0);
        else waiting.reject(this.#failure);
        return;
      }
      if (error !== null || bytes === 0) {
        this.#break(
          new UpstreamFailure(
            'broken',
            `a long reply cannot be read from its file: ${reasonOf(error ?? 'it is short')}`,
            true,
          ),
        );
        waiting.reject(this.#failure);
        return;
      }
      this.#read += bytes;
      this.#room.giveBack(bytes);
      if (this.#read === this.#written && this.#writing === 0) {
        // What comes next is written over it.
        this.#read = 0;
        this.#written = 0;
      }
      waiting.resolve(bytes);
    });
  }

  /** Gives back memory and, when nothing is under way with it, the file. */
  #drop(): void {
    this.#room.giveBack(this.#back.bytes + this.#written - this.#read);
    this.#room.holds(-this.#front.bytes);
    this.#room.moves(-this.#back.bytes);
    this.#front.clear();
    this.#back.clear();
    this.#read = 0;
    this.#written = 0;
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#file === undefined || this.#isReading || this.#writing > 0) return;
    close(this.#file, () => {});
    this.#file = undefined;
  }
}

function openNameless(folder: string): number {
  const path = join(folder, `.mi-httpd.${process.pid}.${randomBytes(8).toString('hex')}`);
  const file = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return file;
}
