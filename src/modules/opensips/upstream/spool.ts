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

/** What the replies of one node may keep waiting, and where. What is taken of it is in files, or on the way there. */
export class SpillRoom extends Allowance {
  #held = 0;
  #onTheWay = 0;

  /**
   * @param memory bytes of one reply that wait in memory
   * @param most bytes of all replies that wait in files
   * @param folder where these files are; they have no names
   */
  constructor(
    readonly memory: number,
    most: number,
    readonly folder: string,
  ) {
    super(most);
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

  /** Bytes of all replies that wait in memory. */
  get inMemory(): number {
    return this.#held + this.#onTheWay;
  }

  /** Bytes of all replies that wait in files. */
  get inFiles(): number {
    return this.used - this.#onTheWay;
  }
}

/** Bytes on their way to the file beyond which the disk counts as too slow. */
const patience = 16 << 20;

/** Bytes that a reader that waits is given at once. OpenSIPS writes 4096 at a time, each of which would be a write of ours. */
const enough = 32768;

/** Milliseconds that it waits for more. */
const gatherTime = 1;

/** Pieces up to so many bytes are put together: each one by itself takes more memory than is counted for it. */
const smallPiece = 1024;

/** Bytes of the memory that small pieces are put into. */
const blockSize = 16_384;

/** Pieces that are taken, and still stand in their list. */
const mostTaken = 256;

const nothing = Buffer.alloc(0);

/** Pieces of a reply, in their order. */
class Pieces {
  #list: Buffer[] = [];
  /** Pieces at the beginning of the list that are taken: to shift a long list moves all of it. */
  #taken = 0;
  /** Memory of the last piece, where more can be put behind it, and where that is. */
  #block: Buffer | undefined;
  #blockEnd = 0;
  bytes = 0;

  get isEmpty(): boolean {
    return this.#taken === this.#list.length;
  }

  /** Adds bytes, which are its own from now on. */
  add(piece: Buffer): void {
    this.bytes += piece.length;
    const last = this.isEmpty ? undefined : this.#list.at(-1);
    if (piece.length > smallPiece || last === undefined) {
      this.#block = undefined;
      this.#list.push(piece);
    } else if (this.#block !== undefined && this.#blockEnd + piece.length <= this.#block.length) {
      this.#append(this.#block, last.length, piece);
    } else if (this.#block === undefined && last.length <= smallPiece) {
      const block = Buffer.allocUnsafeSlow(blockSize);
      block.set(last);
      this.#block = block;
      this.#blockEnd = last.length;
      this.#append(block, last.length, piece);
    } else {
      this.#block = undefined;
      this.#list.push(piece);
    }
  }

  /** @param before bytes at the end of the block that are still to be taken */
  #append(block: Buffer, before: number, piece: Buffer): void {
    const begin = this.#blockEnd - before;
    block.set(piece, this.#blockEnd);
    this.#blockEnd += piece.length;
    this.#list[this.#list.length - 1] = block.subarray(begin, this.#blockEnd);
  }

  /** Fills a buffer from the beginning. @returns the bytes */
  take(buffer: Buffer): number {
    let at = 0;
    while (at < buffer.length) {
      const piece = this.#list[this.#taken];
      if (piece === undefined) break;
      const room = buffer.length - at;
      buffer.set(piece.length <= room ? piece : piece.subarray(0, room), at);
      at += Math.min(piece.length, room);
      this.#list[this.#taken] = piece.length <= room ? nothing : piece.subarray(room);
      if (piece.length <= room) this.#taken += 1;
    }
    this.bytes -= at;
    if (this.isEmpty) this.clear();
    else if (this.#taken >= mostTaken) {
      this.#list.splice(0, this.#taken);
      this.#taken = 0;
    }
    return at;
  }

  /** Gives all of them away. */
  all(): Buffer[] {
    const all = this.#list.slice(this.#taken);
    this.clear();
    return all;
  }

  clear(): void {
    this.#list = [];
    this.#taken = 0;
    this.#block = undefined;
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
  readonly #front = new Pieces();
  /** Behind what is in the file. */
  readonly #back = new Pieces();
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

  /** Takes bytes, which are its own from now on. Never fails: the reader is told of a failure. */
  push(bytes: Buffer): void {
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
    if (this.#back.bytes > patience) {
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
    if (this.#failure !== undefined || this.#isReleased || this.#isEnded) return;
    this.#failure = failure;
    this.#drop();
    this.#released();
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
    for (const piece of this.#back.all()) this.#front.add(piece);
    this.#room.holds(bytes);
  }

  #write(): void {
    if (this.#writing > 0 || this.#back.bytes === 0) return;
    try {
      this.#file ??= openNameless(this.#room.folder);
    } catch (error) {
      this.fail(new UpstreamFailure('broken', `a long reply cannot wait in a file: ${reasonOf(error)}`, true));
      return;
    }
    const file = this.#file;
    const { bytes } = this.#back;
    const pieces = this.#back.all();
    this.#writing = bytes;
    writev(file, pieces, this.#written, (error, written) => {
      this.#writing = 0;
      this.#room.moves(-bytes);
      if (this.#isReleased || this.#failure !== undefined) {
        this.#room.giveBack(bytes);
        this.#closeFile();
        return;
      }
      if (error !== null || written !== bytes) {
        this.#room.giveBack(bytes);
        this.fail(
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
        this.fail(
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
