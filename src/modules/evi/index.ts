import { currentSecond } from '../../base/clock.js';
import type { JsonValue } from '../../base/json.js';
import { shorten } from '../../base/text.js';
import { type Command, shapedCommand as command, type ParameterAbout } from '../../mi/commands/command.js';
import { anything, either, list, mapOf, object, ok, text, whole } from '../../mi/commands/shape.js';
import { invalidParams, MiAnswer } from '../../mi/errors.js';
import {
  defaultExpire,
  type EventParameters,
  EventRoomError,
  EventSocketError,
  type Events,
  type EventValue,
  type MiEvent,
  type Subscription,
} from '../../mi/events/events.js';
import { defineBuiltIn } from '../../module.js';

/** Events of OpenSIPS' core that need thresholds, several processes or SIP connections. */
const foreignEvents = [
  'E_CORE_THRESHOLD',
  'E_CORE_SHM_THRESHOLD',
  'E_CORE_PKG_THRESHOLD',
  'E_CORE_PROC_AUTO_SCALE',
  'E_CORE_TCP_DISCONNECT',
] as const;

/** The commands about events. Loaded always; transports are modules of their own. */
export const eviModule = defineBuiltIn({
  name: 'evi',
  load: ({ events, log }) => {
    events.declareForeign(foreignEvents);
    const told = new Set<MiEvent>();
    const subscribed = (event: MiEvent): void => {
      if (!event.isForeign || event.sources.size > 0 || told.has(event)) return;
      told.add(event);
      log.warn(
        { code: 'event-never-raised', event: event.name },
        `somebody subscribed to ${event.name}, which this server never raises`,
      );
    };
    return { commands: eventCommands(events, subscribed) };
  },
});

const subscriberShape = object({ socket: text, expire: either(whole, text) }, { ttl: either(whole, text) });
const eventShape = object({ name: text, id: whole, Subscribers: list(subscriberShape) });

/**
 * The MI commands about events, in the order in which OpenSIPS lists them.
 *
 * @param subscribed told of every subscription that is made or renewed
 */
function eventCommands(events: Events, subscribed: (event: MiEvent) => void): readonly Command[] {
  const eventNames: ParameterAbout & { readonly suggest: () => readonly string[] } = {
    help: 'The name of an event.',
    suggest: () => events.all.map(({ name }) => name),
  };
  const sockets: ParameterAbout = { help: 'The socket of a subscriber.' };
  return [
    command({
      name: 'subscribe',
      aliases: ['event_subscribe'],
      help:
        'Subscribes a socket, such as udp:127.0.0.1:8888, to an event for expire seconds (3600), or sets the time of a ' +
        'subscription anew; 0 ends it.',
      recipes: [
        { event: 'string', socket: 'string' },
        { event: 'string', socket: 'string', expire: 'int' },
      ],
      parameters: {
        event: eventNames,
        socket: { help: 'Where its datagrams go: `udp:127.0.0.1:8888`.' },
        expire: { help: 'Seconds; 0 ends the subscription.', default: defaultExpire },
      },
      result: ok,
      run: ({ event: name, socket, expire = defaultExpire }) => {
        if (expire < 0) throw invalidParams('Negative expire value');
        if (expire > 2147483647) badValue(`expire is ${expire}; give up to 2147483647 seconds`);
        const event = events.find(name);
        if (event === undefined) badValue(`event ${shown(name)} does not exist; events_list lists all`);
        try {
          const done = (): 'OK' | Promise<'OK'> => {
            subscribed(event);
            if (expire === 0 || event.sources.size === 0) return 'OK';
            return events.subscribeAtSources(event, socket).then(() => 'OK');
          };
          const later = events.subscribe(event, socket, expire);
          return later === undefined ? done() : later.then(done, refused);
        } catch (error) {
          return refused(error);
        }
      },
    }),
    command({
      name: 'list',
      aliases: ['events_list'],
      readOnly: true,
      help: 'Lists all events that can be subscribed to.',
      result: object({ Events: list(object({ name: text, id: whole })) }),
      run: () => ({ Events: events.all.map(({ name, id }) => ({ name, id })) }),
    }),
    command({
      name: 'subscribers',
      aliases: ['subscribers_list'],
      readOnly: true,
      help: 'Lists the subscribers of all events, of one event, or tells about one of them by its socket.',
      recipes: [{}, { event: 'string' }, { event: 'string', socket: 'string' }],
      parameters: { event: eventNames, socket: sockets },
      result: either(
        object({ Events: list(eventShape) }),
        object({ Event: either(eventShape, object({})) }),
        object({ Event: object({ name: text, id: whole, Subscriber: subscriberShape }) }),
      ),
      run: ({ event: name, socket }) => {
        if (name === undefined) {
          return { Events: events.all.map((event) => listed(events, event)).filter((one) => one !== undefined) };
        }
        const event = events.find(name);
        if (event === undefined) throw new MiAnswer(404, 'Event not published');
        if (socket === undefined) return { Event: listed(events, event) ?? {} };
        const subscription = events.subscription(event, socket);
        if (subscription === undefined || subscription.isOver(currentSecond())) {
          throw new MiAnswer(404, 'Subscriber does not exist');
        }
        return { Event: { name: event.name, id: event.id, Subscriber: told(subscription) } };
      },
    }),
    command({
      name: 'end_subscriber',
      help: 'Ends all subscriptions of a socket, as `evi:subscribers` tells it, and its connection.',
      recipes: [{ socket: 'string' }],
      parameters: { socket: sockets },
      result: ok,
      run: ({ socket }) => {
        try {
          if (events.unsubscribe(socket)) return 'OK';
        } catch (error) {
          return refused(error);
        }
        throw new MiAnswer(404, 'Subscriber does not exist');
      },
    }),
    command({
      name: 'recent',
      readOnly: true,
      namedOnly: true,
      help:
        'Lists the events that were raised last, of 1000 that are kept, oldest first: of all, or of those named, where * at ' +
        'the end of a name stands for anything (`E_UL_*`); the last count of them, or those behind the id after. Contact events are ' +
        'only raised while somebody is subscribed, and for five minutes after the last subscriber has left.',
      recipes: [
        {},
        { count: 'int' },
        { after: 'string' },
        { events: 'string[]' },
        { events: 'string[]', count: 'int' },
        { events: 'string[]', after: 'string' },
      ],
      parameters: {
        count: { help: 'Events, the last ones.', default: 1000 },
        after: { help: 'The id of an event, behind which they begin.' },
        events: { help: 'Names; `*` at the end of one stands for anything.', suggest: eventNames.suggest },
      },
      result: object({
        Events: list(object({ id: text, time: text, event: text, params: either(list(anything), mapOf(anything)) })),
      }),
      run: ({ events: names, count = 1000, after }) => {
        if (count < 0) badValue(`count is ${count}; give 0 or more`);
        const meant = names === undefined ? undefined : events.named(names);
        if (typeof meant === 'string') badValue(`event ${shown(meant)} does not exist; events_list lists all`);
        const wanted = new Set(meant?.map(({ name }) => name));
        const { recent } = events;
        const found = (after === undefined ? recent.all : recent.since(after)).filter(
          ({ name }) => meant === undefined || wanted.has(name),
        );
        return { Events: count === 0 ? [] : found.slice(-count) };
      },
    }),
    command({
      name: 'raise',
      aliases: ['raise_event'],
      help:
        'Raises an event for its subscribers. params is an array of texts, or an object of named parameters, also as ' +
        'a text that holds one.',
      recipes: [{ event: 'string' }, { event: 'string', params: 'json' }],
      parameters: { event: eventNames, params: { help: 'An array of texts, or an object of named parameters.' } },
      result: ok,
      run: ({ event: name, params }) => {
        const event = events.find(name);
        if (event === undefined) throw new MiAnswer(404, 'Event not registered');
        const isWanted = events.subscriptionsOf(event).length > 0;
        if (isWanted && event.raise(params === undefined ? [] : raisedParameters(params)) > 0) return 'OK';
        throw new MiAnswer(480, 'Temporarily Unavailable');
      },
    }),
  ];
}

function listed(events: Events, event: MiEvent) {
  const subscriptions = events.subscriptionsOf(event);
  if (subscriptions.length === 0) return undefined;
  return { name: event.name, id: event.id, Subscribers: subscriptions.map(told) };
}

function told(subscription: Subscription) {
  const { socket, expire } = subscription;
  const ttl = subscription.ttl(currentSecond());
  if (ttl === undefined || expire === undefined) return { socket, expire: 'never' };
  return { socket, expire, ttl: ttl > 0 ? ttl : 'expired' };
}

function refused(error: unknown): never {
  if (error instanceof EventSocketError) badValue(error.message);
  if (error instanceof EventRoomError) throw new MiAnswer(500, 'Too many subscribers', error.message);
  throw error;
}

function badValue(data: string): never {
  throw new MiAnswer(400, 'Bad parameter value', data);
}

function shown(text: string): string {
  return JSON.stringify(shorten(text, 64, '…'));
}

/**
 * The parameters of an event as `raise_event` is given them: an array of texts or numbers, which are sent as texts by
 * position, or an object, or a text that holds one as JSON, whose members are sent by name.
 *
 * @throws MiError 400 `Bad Params` or `No Params`
 */
export function raisedParameters(given: JsonValue): EventParameters {
  if (Array.isArray(given)) return (given as readonly JsonValue[]).map(positional);
  if (typeof given !== 'string' && (typeof given !== 'object' || given === null)) {
    throw new MiAnswer(400, 'No Params', 'give params as an array or an object, or as a text that holds a JSON object');
  }
  // OpenSIPS takes no object; one that is given can only mean this.
  const named = typeof given === 'string' ? parsed(given) : given;
  if (typeof named !== 'object' || named === null || Array.isArray(named)) {
    throw new MiAnswer(400, 'Bad Params', 'the text in params holds no JSON object');
  }
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [name, namedValue(value)]));
}

function positional(item: JsonValue, index: number): string {
  if (typeof item === 'string') return item;
  if (typeof item === 'number') return String(item);
  throw new MiAnswer(400, 'Bad Params', `item ${index} of params is neither a text nor a number`);
}

function namedValue(value: unknown): EventValue {
  if (typeof value === 'string' || typeof value === 'number') return value;
  try {
    return JSON.stringify(value);
  } catch {
    throw new MiAnswer(400, 'Bad Params', 'the text in params is nested too deep');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
