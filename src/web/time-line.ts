import { isObject, stringify } from '../base/json.js';
import { shorten } from '../base/text.js';
import type { Client } from '../mi/calls/call.js';
import type { KeptLine, LogConsumers } from '../mi/log-consumers.js';
import type { ManagementInterface } from '../mi/management-interface.js';

/** What a time line may have beside events, by the command that tells it. */
const commands = { log: 'core:log_recent', audit: 'httpd:audit_recent' } as const;

/** What a time line may have. */
export const topics = ['events', 'log', 'audit'] as const;

export type Topic = (typeof topics)[number];

/** Where each topic but events has got to: so many lines, the number of the last call. */
export type Seen = Readonly<Record<keyof typeof commands, number>>;

/** A line that is no event. */
export interface OtherLine {
  readonly topic: keyof typeof commands;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly what: string;
  readonly details: string;
  readonly isBad: boolean;
}

/** Milliseconds between two looks for new lines: nobody tells of them. */
const interval = 1000;

/** UTF-16 units of the details of a line. */
const longestDetails = 1000;

/** Lines of the log, and calls that changed something, as a time line has them. */
export class OtherLines {
  readonly #mi: ManagementInterface;
  readonly #log: LogConsumers;

  constructor(mi: ManagementInterface, log: LogConsumers) {
    this.#mi = mi;
    this.#log = log;
  }

  /** The topics that a client may read, besides events. */
  topicsFor(client: Client): readonly (keyof typeof commands)[] {
    const may = (name: string): boolean =>
      this.#mi.denial(
        this.#mi.commands.find(name, () => []),
        client,
      ) === undefined;
    return [
      ...(may(commands.log) ? (['log'] as const) : []),
      ...(this.#mi.audit !== undefined && may(commands.audit) ? (['audit'] as const) : []),
    ];
  }

  /** All that there has been. */
  get seen(): Seen {
    return { log: this.#log.recent.added, audit: this.#mi.audit?.count ?? 0 };
  }

  /** What came behind something seen, as far as it is kept, each topic oldest first. */
  since(seen: Seen, wanted: ReadonlySet<Topic>): readonly OtherLine[] {
    const lines = wanted.has('log') ? this.#log.recent.since(seen.log).map(logLine) : [];
    const { audit } = this.#mi;
    if (audit === undefined || !wanted.has('audit') || audit.count === seen.audit) return lines;
    // A number beyond the last one is of a server before this one.
    const from = seen.audit > audit.count ? 0 : seen.audit;
    return [...lines, ...audit.recent.filter(({ number }) => number > from).map(({ line }) => auditLine(line))];
  }

  /**
   * Tells of what comes from now on.
   * @param isIdle false: nothing is told now, since what was told before waits still
   * @returns ends that
   */
  follow(
    from: Seen,
    wanted: ReadonlySet<Topic>,
    isIdle: () => boolean,
    tell: (lines: readonly OtherLine[], seen: Seen) => void,
  ): () => void {
    let seen = from;
    const timer = setInterval(() => {
      if (!isIdle()) return;
      const lines = this.since(seen, wanted);
      seen = this.seen;
      if (lines.length > 0) tell(lines, seen);
    }, interval);
    return () => clearInterval(timer);
  }
}

function logLine({ at, level, levelName, code, message, fields }: KeptLine): OtherLine {
  const details = [message, code, fields].filter((part) => part !== undefined && part !== '').join(' ');
  return {
    topic: 'log',
    at,
    what: `log ${levelName}`,
    details: shorten(details, longestDetails, '…'),
    isBad: level <= 1,
  };
}

function auditLine(text: string): OtherLine {
  const line: unknown = JSON.parse(text);
  const { time, who, command, params, outcome } = isObject(line) ? line : {};
  const given = params === undefined ? '' : ` ${stringify(params)}`;
  const isBad = outcome !== 'ok';
  const details = shorten(`${command}${given}${isBad ? `: ${outcome}` : ''}`, longestDetails, '…');
  return { topic: 'audit', at: Date.parse(String(time)), what: `audit ${who}`, details, isBad };
}
