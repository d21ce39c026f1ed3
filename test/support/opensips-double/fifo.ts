import { chmodSync, closeSync, constants, lstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { makeFifo } from '#src/native/datagrams.js';
import { type Engine, type Outcome, pause } from './engine.js';
import { firstValue, printForFifo } from './json.js';
import { printReply, readLines } from './lines.js';

/** Bytes that mi_fifo reads at once, and the length of its buffer. */
const bufferSize = 4096;

/** Milliseconds between two looks for a reader, and how many there are. */
const readerPause = 80;
const readerLooks = 4;

/** mi_fifo of a double. */
export class FifoDouble {
  readonly #engine: Engine;
  readonly #path: string;
  readonly #replyFolder: string;
  readonly #fd: number;
  /** What is left of a request that was cut. */
  #kept = '';
  #isWedged = false;
  #isClosed = false;
  /** Times by which it stood still since a request had no reader. */
  waitsForReaders = 0;

  constructor(engine: Engine, path: string, replyFolder: string) {
    this.#engine = engine;
    this.#path = path;
    this.#replyFolder = replyFolder;
    makeFifo(path, 0o660);
    chmodSync(path, 0o660);
    // Open for writing as well: it has no end when a client leaves.
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    void this.#run();
  }

  /** Its file is gone: nothing makes it again. */
  removeFile(): void {
    rmSync(this.#path, { force: true });
  }

  close(): void {
    this.#isClosed = true;
    this.removeFile();
  }

  /** Reads, does all of it, and reads again. */
  async #run(): Promise<void> {
    const buffer = Buffer.alloc(bufferSize);
    while (!this.#isClosed) {
      const room = bufferSize - this.#kept.length;
      let length = 0;
      try {
        length = readSync(this.#fd, buffer, 0, room, null);
      } catch {
        await pause(1);
        continue;
      }
      await this.#take(buffer.toString('latin1', 0, length), length === room);
    }
    closeSync(this.#fd);
  }

  async #take(piece: string, isFull: boolean): Promise<void> {
    const kept = this.#kept;
    const text = kept + piece;
    if (this.#isWedged) return;
    if (this.#engine.version === '2.4') {
      await this.#takeLines(Buffer.from(text, 'latin1').toString());
      return;
    }
    let rest = text;
    let done = kept === '' ? 0 : 1;
    this.#kept = '';
    while (rest.trim() !== '') {
      const found = /^\s*:([^:]*):/.exec(rest);
      const json = found === null ? '' : rest.slice(found[0].length);
      const value = firstValue(json);
      if (found === null || value === undefined) {
        const isCut = done > 0 && (found !== null || /^\s*:/.test(rest));
        // The next read is put behind it. One that does not complete it is written over by the one after that: a hole.
        if (isCut && isFull) this.#kept = rest === text && kept !== '' ? kept : rest;
        else if (isCut) {
          // The rest is put in front of all that comes, which is never a request again.
          this.#isWedged = true;
          this.#engine.log.push('fifo is dead');
        } else this.#engine.log.push(`not a request: ${rest.slice(0, 40)}`);
        return;
      }
      rest = json.slice(value.end);
      done += 1;
      await this.#request(found[1] ?? '', Buffer.from(json.slice(0, value.end), 'latin1').toString());
      if (this.#engine.died !== undefined) return;
    }
  }

  async #request(name: string, json: string): Promise<void> {
    const engine = this.#engine;
    if (name === '') {
      await engine.wait(json);
      const outcome = engine.handle(json);
      if (outcome.kind === 'no-method') engine.die('MI FIFO: a request without a method');
      if (outcome.kind === 'later') engine.die('MI FIFO: an asynchronous command without a reply name');
      return;
    }
    if (/[./\\]/.test(name) || Buffer.byteLength(this.#replyFolder + name) + 1 > 128) {
      engine.log.push(`no name of a reply: ${name}`);
      return;
    }
    const path = this.#replyFolder + name;
    const fd = await this.#openReply(path);
    if (fd === undefined) return;
    try {
      await engine.wait(json);
      const outcome = engine.handle(json);
      await this.#answer(outcome, fd, path);
    } finally {
      closeSync(fd);
    }
  }

  async #answer(outcome: Outcome, fd: number, path: string): Promise<void> {
    switch (outcome.kind) {
      case 'no-method':
        this.#engine.die('MI FIFO: a request without a method');
        return;
      case 'bad-id':
        await this.#write(fd, 'failed to print response');
        return;
      case 'reply':
        await this.#write(fd, printForFifo(outcome.reply).text);
        return;
      case 'later':
        void outcome.reply.then((reply) => this.#answerLater(reply, path));
        return;
      default:
    }
  }

  /** By another process: it opens the FIFO anew for each piece. */
  async #answerLater(reply: object, path: string): Promise<void> {
    const { text, isBroken } = printForFifo(reply);
    if (isBroken && this.#engine.version === '4.0') {
      this.#engine.die('a worker: double free while printing an asynchronous answer');
      return;
    }
    for (let at = 0; at < text.length; at += bufferSize) {
      const fd = await this.#openReply(path);
      if (fd === undefined) return;
      await this.#write(fd, text.slice(at, at + bufferSize));
      closeSync(fd);
    }
  }

  async #openReply(path: string): Promise<number | undefined> {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFIFO() || stats.nlink !== 1) {
      this.#engine.log.push(`no reply FIFO: ${path}`);
      return undefined;
    }
    for (let look = 0; look <= readerLooks; look++) {
      try {
        return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      } catch {
        if (look === readerLooks) break;
        this.waitsForReaders += 1;
        await pause(readerPause);
      }
    }
    this.#engine.log.push(`no client at ${path}`);
    return undefined;
  }

  /** Writes in pieces, and waits for a slow reader as long as it takes. */
  async #write(fd: number, text: string): Promise<void> {
    const bytes = Buffer.from(text, this.#engine.encoding);
    for (let at = 0; at < bytes.length && !this.#isClosed; ) {
      try {
        const trickles = at >= this.#engine.trickleFrom;
        at += writeSync(fd, bytes, at, trickles ? 1 : Math.min(bufferSize, bytes.length - at));
        if (trickles) await pause(5);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EAGAIN') return;
        await pause(1);
      }
    }
  }

  /** The form of 2.x: a name, then lines up to an empty one. */
  async #takeLines(text: string): Promise<void> {
    for (const request of readLines(text)) {
      const path = this.#replyFolder + request.replyName;
      const fd = request.replyName === '' ? undefined : await this.#openReply(path);
      await this.#engine.holds.get(request.method);
      const reply = printReply(request.method, this.#engine.run(request.method, request.values));
      if (fd === undefined) continue;
      await this.#write(fd, reply);
      closeSync(fd);
    }
  }
}
