import { currentSecond, dateOf } from '../base/clock.js';
import { coded } from '../base/codes.js';
import { aNumber, aText, checkGiven, checkMembers, type Members } from '../base/given.js';
import { shorten } from '../base/text.js';
import type { MiEvent } from './events/events.js';
import { opaque } from './results/json.js';

/** Reports that an identifier keeps; the oldest leave first. */
const keptReports = 100;

/** Characters of a report or of details that are kept. */
const longestText = 1024;

/** The identifier of a group that has only one. */
export const mainIdentifier = 'main';

const name = /^[A-Za-z0-9_.:-]{1,64}$/;

/** One line of the history of an identifier. */
export interface StatusReport {
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly text: string;
}

const identifierMembers: Members<{ identifier: string; status: number; details: string }> = {
  identifier: aText,
  status: aNumber,
  details: aText,
};

/** Something whose readiness can be asked for: a part of a module, such as a table or a connection. */
export class StatusIdentifier {
  readonly #changed: (before: number, identifier: StatusIdentifier) => void;
  readonly #reports: StatusReport[] = [];
  #status: number;
  #details: string | undefined;
  /** When it became ready, or ceased to be, by the clock that nobody sets. */
  #changedAt = currentSecond();

  /** For {@link StatusReports}. */
  constructor(
    readonly group: string,
    readonly name: string,
    status: number,
    details: string | undefined,
    changed: (before: number, identifier: StatusIdentifier) => void,
  ) {
    this.#status = checked(status);
    this.#details = details === undefined ? undefined : shorten(details, longestText);
    this.#changed = changed;
  }

  /** Negative: not ready; positive: ready. What else it tells is up to the module. */
  get status(): number {
    return this.#status;
  }

  get isReady(): boolean {
    return this.#status > 0;
  }

  /** Since when it has been ready, or not; seconds since 1970. */
  get since(): number {
    return dateOf(this.#changedAt);
  }

  get details(): string | undefined {
    return this.#details;
  }

  /** Oldest first. */
  get reports(): readonly StatusReport[] {
    return this.#reports;
  }

  /**
   * Sets the status; a change raises `E_CORE_SR_STATUS_CHANGED`.
   *
   * @param status an integer other than 0; negative: not ready, positive: ready
   * @param details a text that clients get with it
   * @throws RangeError for any other status
   */
  set(status: number, details?: string): void {
    if (details !== undefined) checkGiven('details of a status', details, aText);
    const before = this.#status;
    this.#status = checked(status);
    if (before > 0 !== this.isReady) this.#changedAt = currentSecond();
    this.#details = details === undefined ? undefined : shorten(details, longestText);
    if (before !== status) this.#changed(before, this);
  }

  /** Adds a line to the history. */
  report(text: string): void {
    checkGiven('report of a status', text, aText);
    this.#reports.push({ timestamp: Math.floor(Date.now() / 1000), text: shorten(text, longestText) });
    if (this.#reports.length > keptReports) this.#reports.shift();
  }
}

/**
 * The parts of a server and their readiness (OpenSIPS' status/report interface): groups, mostly named like their modules, of
 * identifiers. `/readyz` is 200 while every one of them is ready.
 *
 * ```ts
 * const trunks = server.status.add('pbx', { status: -1, details: 'connecting' });
 * trunks.set(1, 'connected');
 * trunks.report('connected to north');
 * ```
 */
export class StatusReports {
  readonly #groups = new Map<string, Map<string, StatusIdentifier>>();
  readonly #changed: MiEvent;

  /** @param changed raised when a status changes */
  constructor(changed: MiEvent) {
    this.#changed = changed;
  }

  /** So that one in a result is refused by name. */
  get [opaque](): string {
    return 'StatusReports';
  }

  /** Groups and their identifiers, in the order in which they were added. */
  get groups(): ReadonlyMap<string, ReadonlyMap<string, StatusIdentifier>> {
    return this.#groups;
  }

  /** All identifiers that are not ready. */
  get unready(): readonly StatusIdentifier[] {
    return [...this.#groups.values()].flatMap((group) => [...group.values()].filter(({ isReady }) => !isReady));
  }

  /**
   * Adds an identifier to a group, which comes to be with its first one.
   *
   * @param options.identifier left out: `main`, for groups that have no other
   * @param options.status left out: 1, ready
   * @throws Error when it is there; RangeError for a wrong name or status
   */
  add(
    group: string,
    options: { readonly identifier?: string; readonly status?: number; readonly details?: string } = {},
  ): StatusIdentifier {
    checkGiven('group of a status', group, aText);
    checkMembers(`status ${group}`, options, identifierMembers);
    const { identifier = mainIdentifier, status = 1, details } = options;
    for (const one of [group, identifier]) {
      if (!name.test(one) || one === 'all') {
        throw coded(
          'ERR_STATUS',
          new RangeError(`"${one}" is no name here; give 1 to 64 letters, digits, "_", ".", ":" and "-", and not all`),
        );
      }
    }
    const members = this.#groups.get(group) ?? new Map<string, StatusIdentifier>();
    if (members.has(identifier))
      throw coded(
        'ERR_STATUS',
        new Error(
          `status group ${group} has an identifier ${identifier} already; give another, or keep what add returned`,
        ),
      );
    const added = new StatusIdentifier(group, identifier, status, details, (before, changed) => {
      this.#changed.raise({
        group,
        identifier,
        status: changed.status,
        details: changed.details ?? '',
        old_status: before,
      });
    });
    members.set(identifier, added);
    this.#groups.set(group, members);
    return added;
  }
}

function checked(status: number): number {
  if (!Number.isSafeInteger(status) || status === 0) {
    throw coded(
      'ERR_STATUS',
      new RangeError(`status is ${status}; give a whole number, negative for not ready, positive for ready`),
    );
  }
  return status;
}
