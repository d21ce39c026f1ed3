import { stringify } from '../../base/json.js';
import { Last } from '../../base/last.js';

/** The value of one parameter of an event; `null` where a SIP server has none for it. */
export type EventValue = string | number | null;

/** Parameters of an event: by name, or, as scripts of OpenSIPS raise them, by position. */
export type EventParameters = Readonly<Record<string, EventValue>> | readonly EventValue[];

/** An event that was raised. */
export class RaisedEvent {
  #text: string | undefined;

  /** For {@link RecentEvents}. */
  constructor(
    /** Names it among all events of all starts of the server. */
    readonly id: string,
    /** Milliseconds since 1970. */
    readonly at: number,
    readonly name: string,
    readonly parameters: EventParameters,
  ) {}

  /** What programs get: `{"id":"mb1-7","time":"2026-11-30T06:00:00.000Z","event":"E_ONE","params":{}}`. */
  toJSON(): object {
    return { id: this.id, time: new Date(this.at).toISOString(), event: this.name, params: this.parameters };
  }

  /** The same as text, printed once for all of its readers. */
  get text(): string {
    this.#text ??= stringify(this);
    return this.#text;
  }
}

/** UTF-16 units of all events that are kept. */
const mostText = 4_194_304;

/** The events that were raised last. */
export class RecentEvents {
  readonly #start = Date.now().toString(36);
  readonly #kept = new Last<RaisedEvent>(1000, mostText, ({ text }) => text.length);
  #count = 0;

  /** So many are kept; 0: none is. */
  get most(): number {
    return this.#kept.most;
  }

  set most(most: number) {
    this.#kept.most = most;
  }

  /** Keeps an event. */
  add(name: string, parameters: EventParameters): RaisedEvent {
    this.#count += 1;
    const raised = new RaisedEvent(`${this.#start}-${this.#count}`, Date.now(), name, parameters);
    this.#kept.add(raised);
    return raised;
  }

  /** Those that were raised behind one, oldest first. All of them where it is not among them: more has been missed. */
  since(id: string): readonly RaisedEvent[] {
    return this.all.slice(this.all.findIndex((one) => one.id === id) + 1);
  }

  /** Oldest first. */
  get all(): readonly RaisedEvent[] {
    return this.#kept.all;
  }
}
