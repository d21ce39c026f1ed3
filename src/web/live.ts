import { stringify } from '../base/json.js';
import { reasonOf, shorten } from '../base/text.js';
import { retryHeaders, statusOf } from '../gateway/jsonrpc-refusal.js';
import type { Chunk, ChunkSource, Exchange, ReplyHeaders } from '../http/exchange.js';
import { crossSiteRefusal } from '../http/login/same-origin.js';
import { html, type Markup, privateHeaders } from '../http/pages/html.js';
import { weigher } from '../http/request/head.js';
import type { Runner } from '../mi/calls/run.js';
import type { CommandEntry } from '../mi/commands/command-table.js';
import { explained, type MiError } from '../mi/errors.js';
import type { Events, MiEvent } from '../mi/events/events.js';
import type { RaisedEvent } from '../mi/events/raised.js';
import type { EventStream, EventStreams } from '../mi/events/streams.js';
import type { LogConsumers } from '../mi/log-consumers.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import { cell, recordRow, recordTable } from './tables.js';
import { OtherLines, type Seen, type Topic, topics } from './time-line.js';
import { dateMarkup } from './times.js';
import { visible } from './visible.js';

/** Milliseconds between two signs of life, so that nothing on the way takes an idle stream for dead. */
const heartbeat = 15_000;

/** Lines that the page shows before the first one comes. */
const shownAtFirst = 100;

/** UTF-16 units of the parameters of an event that the page shows without a script. */
const longestShown = 1000;

const streamType = 'text/event-stream';

/** UTF-16 units of events that are printed at once, unless one alone has more: what a slow reader holds beside what is kept. */
const mostPrinted = 16_384;

/** `X-Accel-Buffering` is nginx's: it would hold events back. */
const streamHeaders: ReplyHeaders = { 'Content-Type': streamType, 'X-Accel-Buffering': 'no', ...privateHeaders };

/** True where events are asked for as they come, as EventSource of browsers does. */
export function wantsEvents(exchange: Exchange): boolean {
  const weightOf = weigher(exchange.header('accept') ?? '');
  return weightOf(streamType) > weightOf('text/html', 'text/*');
}

/** Settings of {@link LiveEvents}. */
interface LiveOptions {
  /** Path of the web root: `/mi`. */
  readonly base: string;
  /** Streams that may be open at once. */
  readonly maxStreams: number;
  readonly runner: Runner;
  readonly events: Events;
  readonly streams: EventStreams;
  readonly logConsumers: LogConsumers;
}

/**
 * What happens: events as they are raised, and beside them lines of the log and calls that changed something. A reply without end
 * (server-sent events), and the page that shows them.
 */
export class LiveEvents {
  readonly #mi: ManagementInterface;
  readonly #options: LiveOptions;
  readonly #others: OtherLines;
  #open = 0;

  constructor(mi: ManagementInterface, options: LiveOptions) {
    this.#mi = mi;
    this.#options = options;
    this.#others = new OtherLines(mi, options.logConsumers);
  }

  /** The command that reads events: who may run it may follow them. */
  get command(): CommandEntry {
    return this.#mi.commands.find('evi:recent', () => []);
  }

  /**
   * Answers with the events that `?events=` names, from now on or from the one after `Last-Event-ID`; with the topics that `?topic=`
   * names, where there is one.
   */
  stream(exchange: Exchange): void {
    const { runner, maxStreams } = this.#options;
    if (this.#open >= maxStreams) {
      const reason = `${maxStreams} streams of events are open, the limit max_streams; close one, or raise the limit`;
      exchange.refuse(503, reason, { 'Retry-After': '5' });
      return;
    }
    const isOfPage = exchange.header('sec-fetch-site') !== undefined || exchange.header('origin') !== undefined;
    const site = isOfPage ? crossSiteRefusal(exchange) : undefined;
    if (site !== undefined) {
      exchange.refuse(403, `a stream takes one of the places of max_streams, and ${site}`);
      return;
    }
    const names = namesOf(exchange);
    const refuse = (error: MiError): void => {
      exchange.refuse(statusOf(error), explained(error), retryHeaders(error as never));
    };
    // As a call it is held to permissions and limits, and has its line in the audit.
    runner.run(
      {
        result: () => {
          this.#begin(exchange);
          return undefined;
        },
        error: (_exchange, _place, error) => refuse(error),
        wait: () => {},
      },
      exchange,
      0,
      this.command,
      names.length === 0 ? { count: 0 } : { events: [...names], count: 0 },
      names.length === 0 ? 1 : 2,
    );
  }

  /** What the page shows of events: those that were raised last, and who reads which. */
  page(exchange: Exchange): Markup {
    const { base, events } = this.#options;
    const may = new Set<Topic>(['events', ...this.#others.topicsFor(exchange)]);
    const asked = topicsOf(exchange) ?? may;
    const chosen = new Set(topics.filter((topic) => may.has(topic) && asked.has(topic)));
    const wanted = new Set(chosen.has('events') ? this.#wanted(exchange).map(({ name }) => name) : []);
    const last = events.recent.all.filter(({ name }) => wanted.has(name)).slice(-shownAtFirst);
    const names = namesOf(exchange).join(' ');
    const { seen } = this.#others;
    const lines = [...last.map(lineOf), ...this.#others.since(nothing, chosen)];
    const rows = lines
      .sort((one, other) => other.at - one.at)
      .slice(0, shownAtFirst)
      .map(row);
    const choices = topics.filter((topic) => may.has(topic)).map((topic) => choice(topic, chosen.has(topic)));
    return html`<h2>Live</h2>
<p class="help">What happens, the newest first: ${may.size === 1 ? 'events' : 'events, lines of the log, and calls that may have changed something'}. <code>curl -N -H 'Accept: ${streamType}'</code> follows events too.</p>
<form method="get" action="${base}/live" class="live">
${choices.length > 1 && html`<p role="group" aria-label="Topics">${choices}</p>\n`}<p><label for="events">Events, <code>*</code> at the end of a name for all that begin so; empty: those of this server</label>
<input id="events" name="events" value="${names}" list="event-names" autocomplete="off" spellcheck="false" autocapitalize="characters"></p>
<datalist id="event-names">${events.all.map(({ name }) => html`<option value="${name}">`)}</datalist>
<p class="run"><button type="submit">Show</button></p>
</form>
<section id="live" aria-label="Events" data-names="${names}" data-last="${last.at(-1)?.id ?? ''}" data-topics="${[...chosen].join(' ')}" data-log="${seen.log}" data-audit="${seen.audit}">
${recordTable('Table', ['Time', 'What', 'Details'], rows)}${rows.length === 0 && html`<p class="none">Nothing has happened yet.</p>\n`}</section>
${this.#subscribers(exchange)}`;
  }

  /** Those who are subscribed to any event, each with the events. */
  #subscribers(exchange: Exchange): Markup | undefined {
    const { base, events } = this.#options;
    const find = (name: string): CommandEntry => this.#mi.commands.find(name, () => []);
    if (this.#mi.denial(find('evi:subscribers'), exchange) !== undefined) return undefined;
    const mayEnd = this.#mi.denial(find('evi:end_subscriber'), exchange) === undefined;
    const named = new Map<string, string[]>();
    for (const event of events.all) {
      for (const { socket } of events.subscriptionsOf(event)) {
        named.set(socket, [...(named.get(socket) ?? []), event.name]);
      }
    }
    const items = [...named].map(([socket, names]) => {
      const end = html`<form method="post" action="${base}/evi/end_subscriber"><input type="hidden" name="p.socket" value="${socket}"><button type="submit" aria-label="End ${socket}">End</button></form>`;
      return recordRow([
        cell('Socket', visible(socket)),
        cell('Events', names.length === 1 ? names : `${names.length} events`),
        cell('', mayEnd && end),
      ]);
    });
    const heads = ['Socket', 'Events', html`<th scope="col" role="columnheader"><span class="hidden">End</span></th>`];
    return html`<section aria-labelledby="subscribers">
<h2 id="subscribers">Subscribers</h2>
${
  items.length === 0 ? html`<p class="none">No event has a subscriber.</p>\n` : recordTable('Subscribers', heads, items)
}</section>
`;
  }

  #begin(exchange: Exchange): void {
    const { events, streams } = this.#options;
    const asked = topicsOf(exchange);
    const wanted = asked === undefined || asked.has('events') ? this.#wanted(exchange) : [];
    const others = new Set(this.#others.topicsFor(exchange).filter((topic) => asked?.has(topic) === true));
    const stream = streams.add(`${exchange.caller?.name ?? '-'}@${exchange.origin}`, exchange.caller?.session);
    const last = exchange.header('last-event-id') ?? exchange.argument('after');
    const names = new Set(wanted.map(({ name }) => name));
    const missed = last === undefined ? [] : events.recent.since(last).filter(({ name }) => names.has(name));
    let rest = (): void => {};
    const reply = new EventReply(stream, missed, () => {
      this.#open -= 1;
      rest();
      streams.remove(stream, events);
    });
    this.#open += 1;
    if (others.size > 0) {
      rest = this.#others.follow(
        seenOf(exchange, this.#others.seen),
        others,
        () => reply.isIdle,
        (lines, seen) => {
          for (const { topic, at, what, details, isBad } of lines)
            reply.tell(topic, { time: new Date(at).toISOString(), what, details, isBad, seen: seen[topic] });
        },
      );
    }
    for (const event of wanted) {
      void events.subscribe(event, stream.socket, undefined);
      if (event.sources.size === 0) continue;
      events.subscribeAtSources(event, stream.socket).catch((error: unknown) => {
        reply.tell('problem', { event: event.name, problem: reasonOf(error) });
      });
    }
    exchange.stream(200, reply, streamHeaders);
  }

  /** Events of this server where none are named: those of others are subscribed to there, too. */
  #wanted(exchange: Exchange): readonly MiEvent[] {
    const { events } = this.#options;
    const names = namesOf(exchange);
    const found = names.length === 0 ? events.all.filter(({ isForeign }) => !isForeign) : events.named(names);
    return typeof found === 'string' ? [] : found;
  }
}

/** The names in `?events=E_ONE,E_TWO*`. */
function namesOf(exchange: Exchange): readonly string[] {
  const named = exchange.arguments('events').join(',');
  return named.split(/[\s,]+/).filter((name) => name !== '');
}

const nothing: Seen = { log: 0, audit: 0 };

/** What the page that asks has shown already. */
function seenOf(exchange: Exchange, now: Seen): Seen {
  const given = (name: keyof Seen): number => {
    const text = exchange.argument(name) ?? '';
    return /^\d{1,15}$/.test(text) ? Number(text) : now[name];
  };
  return { log: given('log'), audit: given('audit') };
}

/** The topics in `?topic=log&topic=audit`; undefined where none is there. */
function topicsOf(exchange: Exchange): ReadonlySet<Topic> | undefined {
  const named = exchange.arguments('topic');
  return named.length === 0 ? undefined : new Set(topics.filter((topic) => named.includes(topic)));
}

const topicTitles: Readonly<Record<Topic, string>> = {
  events: 'Events',
  log: 'Lines of the log',
  audit: 'Calls that may have changed something',
};

function choice(topic: Topic, isChosen: boolean): Markup {
  return html`<label><input type="checkbox" name="topic" value="${topic}"${isChosen && html` checked`}> ${topicTitles[topic]}</label> `;
}

interface ShownLine {
  readonly at: number;
  readonly what: string;
  readonly details: string;
  readonly isBad: boolean;
}

function lineOf({ at, name, parameters }: RaisedEvent): ShownLine {
  return { at, what: name, details: shorten(stringify(parameters), longestShown, '…'), isBad: false };
}

function row({ at, what, details, isBad }: ShownLine): Markup {
  const className = isBad ? 'failed' : undefined;
  return recordRow([
    cell('Time', dateMarkup(at)),
    cell('What', visible(what), className),
    cell('Details', visible(details)),
  ]);
}

/** The body of a stream: the lines of server-sent events (WHATWG HTML, "Server-sent events"). */
class EventReply implements ChunkSource {
  readonly isEndless = true;
  readonly #stream: EventStream;
  readonly #released: () => void;
  /** What is no event, and is sent before all events. */
  #told = 'retry: 3000\n\n';
  /** Events that are to be printed, and how many of them are: those that were missed, then those that were taken. */
  #events: readonly RaisedEvent[];
  #printed = 0;
  /** Events that were lost behind {@link #events}. */
  #lost = 0;
  /** Told when there is something to print; undefined: nothing waits for it. */
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isReleased = false;

  constructor(stream: EventStream, missed: readonly RaisedEvent[], released: () => void) {
    this.#stream = stream;
    this.#released = released;
    this.#events = missed;
  }

  /** True where nothing but events waits for the reader. */
  get isIdle(): boolean {
    return this.#told === '';
  }

  /** Tells the reader something else than an event. */
  tell(kind: string, data: object): void {
    this.#told += `event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#wake?.();
  }

  next(): Chunk | Promise<Chunk> {
    if (this.#isReleased) return null;
    const text = this.#take();
    if (text !== '') return Buffer.from(text);
    if (this.#stream.isOver) return null;
    return new Promise((resolve) => {
      this.#timer = setTimeout(() => {
        this.#rest();
        resolve(Buffer.from(':\n\n'));
      }, heartbeat);
      this.#wake = () => {
        this.#rest();
        // On a later turn: events that are raised one after the other leave together.
        setImmediate(() => resolve(this.next()));
      };
      this.#stream.onReady = this.#wake;
    });
  }

  release(): void {
    this.#isReleased = true;
    this.#rest();
    this.#events = [];
    this.#released();
  }

  /** Waits for nothing any more: who waits is told once. */
  #rest(): void {
    clearTimeout(this.#timer);
    this.#wake = undefined;
    this.#stream.onReady = undefined;
  }

  #take(): string {
    let text = this.#told;
    this.#told = '';
    if (this.#printed === this.#events.length) {
      text += this.#lostText();
      const { events, dropped } = this.#stream.take();
      this.#events = events;
      this.#printed = 0;
      this.#lost = dropped;
    }
    while (text.length < mostPrinted) {
      const event = this.#events[this.#printed];
      if (event === undefined) return text + this.#lostText();
      text += message(event);
      this.#printed += 1;
    }
    return text;
  }

  #lostText(): string {
    const dropped = this.#lost;
    this.#lost = 0;
    return dropped === 0 ? '' : `event: dropped\ndata: ${JSON.stringify({ dropped })}\n\n`;
  }
}

/** JSON has no line breaks, so that it is one line of data. */
function message({ id, text }: RaisedEvent): string {
  return `id: ${id}\ndata: ${text}\n\n`;
}
