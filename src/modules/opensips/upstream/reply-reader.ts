import { jsonChecker } from '../../../native/addon.js';
import { decode, type Envelope, notJson, type Reply } from './envelope.js';
import { type SpillRoom, Spool } from './spool.js';
import { UpstreamFailure, type UpstreamStream } from './transport.js';
import { Utf8Mender } from './utf8.js';

/** Bytes of a reply that is answered as a text; a longer one is a stream. */
const longestText = 65536;

/** Bytes of the longest error. */
const longestError = 1 << 20;

/** Bytes in which a result has begun. */
const startRoom = 256;

/** Bytes at the end of a reply that may be the id and what is around it. */
const endRoom = 128;

/** Is told what a reply turns out to be; one of the two, once. */
export interface ReplySink {
  whole(reply: Reply): void;
  stream(result: UpstreamStream): void;
}

/** Reads a reply that comes in pieces, and is told by its transport where it ends. A long one is checked to be JSON while it passes. */
export class ReplyReader {
  readonly #envelope: Envelope;
  readonly #room: SpillRoom;
  readonly #sink: ReplySink;
  readonly #released: () => void;
  readonly #mender = new Utf8Mender();
  /** Of a stream. A text that is no JSON could be read as replies to other calls. */
  #checker: ReturnType<typeof jsonChecker> | undefined;
  #pieces: Buffer[] = [];
  #length = 0;
  #spool: Spool | undefined;
  /** The end of what came, which may be the end of the reply. */
  #held: Buffer = Buffer.alloc(0);
  #isOver = false;

  /** @param released told when nobody reads on, before the reply has ended */
  constructor(envelope: Envelope, room: SpillRoom, sink: ReplySink, released: () => void) {
    this.#envelope = envelope;
    this.#room = room;
    this.#sink = sink;
    this.#released = released;
  }

  /** True once the reply has turned out to be a stream. */
  get isStream(): boolean {
    return this.#spool !== undefined;
  }

  /** Takes the next bytes, which are lent. */
  push(piece: Buffer): void {
    if (this.#isOver || piece.length === 0) return;
    if (this.#spool !== undefined) {
      this.#pass(this.#spool, piece);
      return;
    }
    this.#pieces.push(Buffer.from(piece));
    this.#length += piece.length;
    if (this.#length > longestText) this.#begin();
  }

  /** All has come. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const spool = this.#spool;
    if (spool === undefined) {
      this.#sink.whole(this.#envelope.read(decode(Buffer.concat(this.#pieces, this.#length))));
      return;
    }
    // A byte is a unit: this is about where things lie.
    const end = this.#envelope.end(this.#held.toString('latin1'));
    if (typeof end === 'string') {
      spool.fail(new UpstreamFailure('broken', end, true));
      return;
    }
    this.#give(spool, this.#mender.push(this.#held.subarray(0, end)));
    this.#give(spool, this.#mender.end());
    this.#judge(spool, this.#checker?.end());
    spool.end();
  }

  /** The rest does not come. @returns false when it has not turned out what the reply is */
  fail(failure: UpstreamFailure): boolean {
    this.#isOver = true;
    this.#pieces = [];
    this.#spool?.fail(failure);
    return this.#spool !== undefined;
  }

  #begin(): void {
    const bytes = Buffer.concat(this.#pieces, this.#length);
    const start = this.#envelope.start(bytes.toString('latin1', 0, startRoom));
    if (start?.isResult === false && this.#length <= longestError) {
      this.#pieces = [bytes];
      return;
    }
    this.#pieces = [];
    if (start?.isResult !== true) {
      this.#isOver = true;
      this.#sink.whole({ kind: 'broken', reason: this.#envelope.misfit });
      this.#released();
      return;
    }
    const spool = new Spool(this.#room, () => {
      this.#isOver = true;
      this.#released();
    });
    this.#checker = jsonChecker();
    this.#spool = spool;
    this.#pass(spool, bytes.subarray(start.at));
    const { failure } = spool;
    if (failure === undefined) this.#sink.stream(spool);
    else this.#sink.whole({ kind: 'broken', reason: failure.reason });
  }

  #pass(spool: Spool, piece: Buffer): void {
    const bytes = piece.length >= endRoom || this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    if (bytes === piece) this.#give(spool, this.#mender.push(this.#held));
    const end = Math.max(0, bytes.length - endRoom);
    this.#give(spool, this.#mender.push(bytes.subarray(0, end)));
    this.#held = Buffer.from(bytes.subarray(end));
  }

  #give(spool: Spool, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#judge(spool, this.#checker?.push(bytes));
    spool.push(bytes);
  }

  /** What comes behind a fault is never given on. */
  #judge(spool: Spool, fault: string | undefined): void {
    if (fault === undefined || fault === '') return;
    spool.fail(new UpstreamFailure('broken', `${notJson}: ${fault} of it`, true));
  }
}
