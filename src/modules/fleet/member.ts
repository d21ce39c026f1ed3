import { coded } from '../../base/codes.js';
import { abortReason } from '../../base/lazy-abort.js';
import { Slice } from '../../base/slice.js';
import { type Call, type Client, takeEnd } from '../../mi/calls/call.js';
import { Guard } from '../../mi/calls/guard.js';
import type { Face, LaterAnswer, Runner, Waited } from '../../mi/calls/run.js';
import { includesLevel, type Level, lowerLevel, type Result } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { counted } from '../../mi/commands/parameters.js';
import { codes, errorMember, MiAnswer, type MiError, serverError } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { openParts, Parts } from '../../mi/results/cursor.js';
import { printResult } from '../../mi/results/result.js';
import type { Statistic } from '../../mi/statistics.js';
import { type Links, LongResult } from './links.js';
import { type Answer, answerBytes, type Question, readQuestion, type ToldError } from './messages.js';
import type { Incoming } from './transport.js';

/** The name of this module, whose commands are not called through the fleet. */
export const moduleName = 'fleet';

/** Holds calls to their levels where the server holds nobody. */
const openGuard = new Guard({ networkOf: () => undefined });

/** Questions whose ids are remembered, so that none is run twice. */
const remembered = 8192;

/** Bytes that a result is read in at once. */
const pieceSize = 65536;

/** Settings of a member. */
export interface MemberSettings {
  readonly fleet: string;
  readonly name: string;
  /** The highest level that calls of the fleet have here. */
  readonly level: Level;
  /** Bytes of a result within an answer; longer ones are fetched. */
  readonly longestResult: number;
  readonly mi: ManagementInterface;
  readonly runner: Runner;
  readonly links: Links;
  /** Told of itself. */
  readonly presence: () => Uint8Array;
  readonly counts: { readonly answered: Statistic; readonly malformed: Statistic };
}

/** Runs what the fleet asks of this server, by the same runner as all other calls, held by the same levels and lists. */
export class Member {
  readonly #settings: MemberSettings;
  readonly #seen = new Set<string>();

  constructor(settings: MemberSettings) {
    this.#settings = settings;
  }

  async answer(incoming: Incoming): Promise<Uint8Array | 'repeated' | undefined> {
    const { fleet, presence, links, counts } = this.#settings;
    const question = readQuestion(incoming.bytes);
    if (question === undefined || question.fleet !== fleet) {
      counts.malformed.add(1);
      return undefined;
    }
    if (question.kind === 'presence') return presence();
    if (question.kind === 'piece') return links.piece(question.token, incoming.room);
    if (this.#seen.has(question.id)) return 'repeated';
    this.#remember(question.id);
    counts.answered.add(1);
    return answerBytes(await this.#run(question, incoming));
  }

  #remember(id: string): void {
    this.#seen.add(id);
    const [oldest] = this.#seen;
    if (this.#seen.size > remembered && oldest !== undefined) this.#seen.delete(oldest);
  }

  async #run(question: Question, incoming: Incoming): Promise<Answer> {
    const { name: node, mi, runner, level: most, fleet } = this.#settings;
    const asker = incoming.login === undefined || incoming.login === '-' ? question.at : incoming.login;
    // By HTTP the login grants a level, by a broker the subject does; neither gets more than it says that it wants.
    const grant = lowerLevel(lowerLevel(question.level, incoming.level ?? 'read'), most);
    const client: Client = {
      remoteAddress: '',
      origin: incoming.origin,
      caller: { name: `${question.user}@${asker}`, grant },
      listener: `fleet:${fleet}`,
    };
    let readOnly: boolean | undefined;
    try {
      if (incoming.level === undefined || !includesLevel(incoming.level, question.level))
        throw denied(
          `the way of this call grants ${incoming.level ?? 'no level'}, and it is asked as ${question.level}`,
        );
      const entry = mi.find(question.command, client);
      if (entry.module === moduleName) throw denied(`${entry.fullName} is not called through the fleet`);
      const { given, count } = counted(question.params);
      const meant = entry.route?.(given, count).entry ?? entry;
      readOnly = meant.command.readOnly;
      const denial = mi.guard === undefined ? openGuard.denial(meant, client) : undefined;
      if (denial !== undefined) throw denial;
      const outcome = await new Promise<Answer['outcome']>((resolve, reject) => {
        const face = new FleetFace(this.#settings, incoming.room, resolve, reject);
        face.begin(question.timeout);
        runner.run(face, client, 0, entry, given, count);
      });
      return { node, readOnly, outcome };
    } catch (error) {
      return { node, readOnly, outcome: { kind: 'error', error: this.#told(error, question.command) } };
    }
  }

  #told(error: unknown, command: string): ToldError {
    const { failures } = this.#settings.runner;
    const told = failures.errorOf(error, command);
    const text = failures.print(told, command);
    // A long one would not be taken.
    return text.length <= 32768 ? (JSON.parse(text) as ToldError) : errorMember(new MiAnswer(told.code, told.message));
  }
}

function denied(data: string): MiError {
  return new MiAnswer(codes.permissionDenied, undefined, data);
}

/** The beginning of a result: all of it, or that it goes on. */
interface Beginning {
  readonly pieces: readonly Buffer[];
  readonly isAll: boolean;
}

/** The face of one call. */
class FleetFace implements Face<Client> {
  readonly #settings: MemberSettings;
  readonly #room: number;
  readonly #resolve: (outcome: Answer['outcome']) => void;
  readonly #reject: (reason: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #waited: Waited | undefined;
  #isLate: MiError | undefined;

  constructor(
    settings: MemberSettings,
    room: number,
    resolve: (outcome: Answer['outcome']) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#settings = settings;
    this.#room = Math.min(room - 512, settings.longestResult);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Gives the call up when nobody waits for its answer any more. */
  begin(timeout: number): void {
    this.#timer = setTimeout(() => {
      this.#isLate = serverError(`no result within ${timeout / 1000} s, the time of the call`);
      this.#waited?.leave(abortReason(coded('ERR_TIMEOUT', new Error('nobody waits for the answer any more'))));
      this.#fail(this.#isLate);
    }, timeout);
  }

  result(
    _client: Client,
    _place: number,
    value: Result,
    _entry: CommandEntry,
    call: Call,
  ): LaterAnswer<Beginning> | undefined {
    const printed = printResult(value);
    if (typeof printed === 'string' && printed.length * 3 <= this.#room) {
      this.#done({ kind: 'result', bytes: Buffer.from(printed) });
      return undefined;
    }
    const end = takeEnd(call);
    const parts = new Parts(openParts(printed, () => end?.()));
    return {
      first: readBeginning(parts, this.#room),
      send: ({ pieces, isAll }) => {
        if (isAll) {
          parts.release();
          this.#done({ kind: 'result', bytes: Buffer.concat(pieces) });
          return;
        }
        const token = this.#settings.links.offer(new LongResult(pieces, parts));
        if (token === undefined) this.#fail(serverError('too many long results wait to be fetched; try again'));
        else this.#done({ kind: 'dump', token });
      },
      giveUp: () => parts.release(),
    };
  }

  error(_client: Client, _place: number, error: MiError): void {
    this.#fail(error);
  }

  wait(_client: Client, _place: number, waited: Waited): void {
    this.#waited = waited;
    if (this.#isLate !== undefined) waited.leave();
  }

  #done(outcome: Answer['outcome']): void {
    clearTimeout(this.#timer);
    this.#resolve(outcome);
  }

  #fail(error: unknown): void {
    clearTimeout(this.#timer);
    this.#reject(error);
  }
}

/** Reads a result until it ends, or there is more than an answer may have. */
async function readBeginning(parts: Parts, room: number): Promise<Beginning> {
  const pieces: Buffer[] = [];
  const slice = new Slice();
  for (let all = 0; all <= room; ) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(pieceSize, room + 4));
    const length = await parts.fill(buffer);
    if (length === 0) return { pieces, isAll: true };
    pieces.push(buffer.subarray(0, length));
    all += length;
    if (slice.isOver) await slice.rest();
  }
  return { pieces, isAll: false };
}
