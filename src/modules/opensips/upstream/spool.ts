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
  readonly #front: Buffer[] = [];
  #frontBytes = 0;
  /** Behind what is in the file. */
  #back: Buffer[] = [];
  #backBytes = 0;
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
    return this.#frontBytes + this.#backBytes + this.#writing;
  }

  /** Why the reply has no sound end; undefined while it may have one. */
  get failure(): UpstreamFailure | undefined {
    return this.#failure;
  }

  /** True if there is more behind what is in front. */
  get #hasBehind(): boolean {
    return this.#back.length > 0 || this.#writing > 0 || this.#written > this.#read;
  }

  /** Takes bytes, which are its own from now on. Never fails: the reader is told of a failure. */
  push(bytes: Buffer): void {
    if (this.#isReleased || this.#failure !== undefined || bytes.length === 0) return;
    if (!this.#hasBehind && this.#room.hold(bytes.length, this.#frontBytes)) {
      this.#front.push(bytes);
      this.#frontBytes += bytes.length;
      if (this.#frontBytes >= enough) this.#serve();
      else this.#gather ??= setTimeout(() => this.#serve(), gatherTime);
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
    this.#back.push(bytes);
    this.#backBytes += bytes.length;
    this.#room.moves(bytes.length);
    if (this.#backBytes > patience) {
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
    if (this.#frontBytes >= enough || (this.#frontBytes > 0 && this.#hasBehind)) return this.#takeFront(buffer);
    return new Promise((resolve, reject) => {
      this.#waiting = { buffer, resolve, reject };
      if (this.#frontBytes > 0 && !this.#isEnded) this.#gather ??= setTimeout(() => this.#serve(), gatherTime);
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
    let at = 0;
    while (at < buffer.length) {
      const piece = this.#front[0];
      if (piece === undefined) break;
      const room = buffer.length - at;
      buffer.set(piece.length <= room ? piece : piece.subarray(0, room), at);
      if (piece.length <= room) this.#front.shift();
      else this.#front[0] = piece.subarray(room);
      at += Math.min(piece.length, room);
    }
    this.#frontBytes -= at;
    this.#room.holds(-at);
    return at;
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
    if (this.#frontBytes === 0 && this.#written > this.#read) {
      this.#readFile(waiting);
      return;
    }
    if (this.#frontBytes === 0 && this.#writing === 0 && this.#back.length > 0) this.#advance();
    if (this.#frontBytes > 0) {
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
    this.#room.giveBack(this.#backBytes);
    this.#room.moves(-this.#backBytes);
    this.#front.push(...this.#back);
    this.#frontBytes = this.#backBytes;
    this.#room.holds(this.#frontBytes);
    this.#back = [];
    this.#backBytes = 0;
  }

  #write(): void {
    if (this.#writing > 0 || this.#backBytes === 0) return;
    try {
      this.#file ??= openNameless(this.#room.folder);
    } catch (error) {
      this.fail(new UpstreamFailure('broken', `a long reply cannot wait in a file: ${reasonOf(error)}`, true));
      return;
    }
    const file = this.#file;
    const pieces = this.#back;
    const bytes = this.#backBytes;
    this.#back = [];
    this.#backBytes = 0;
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
    this.#room.giveBack(this.#backBytes + this.#written - this.#read);
    this.#front.length = 0;
    this.#room.holds(-this.#frontBytes);
    this.#frontBytes = 0;
    this.#room.moves(-this.#backBytes);
    this.#back = [];
    this.#backBytes = 0;
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
