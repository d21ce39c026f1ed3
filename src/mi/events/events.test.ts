import { expect, test } from 'vitest';
import { stopClock } from '../../../test/support/usrloc-service.js';
import type { Log } from '../../base/log.js';
import { Statistics } from '../statistics.js';
import { Events } from './events.js';
import { EventStreams } from './streams.js';

const quiet = (): void => {};
const log: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet };

function started() {
  const events = new Events(log, new Statistics());
  const streams = new EventStreams(events.counts);
  events.addTransport(streams);
  return { events, streams, event: events.declare('E_ONE') };
}

test('an event is wanted while it has subscribers, and for five minutes after the last one has left', (t) => {
  const clock = stopClock(t);
  const { events, streams, event } = started();
  expect(event.isWanted).toBe(false);
  const [first, second] = [streams.add('a'), streams.add('b')];
  for (const { socket } of [first, second]) void events.subscribe(event, socket, undefined);
  streams.remove(first, events);
  clock.advance(1000);
  expect(event.isWanted).toBe(true);
  streams.remove(second, events);
  expect([event.hasSubscribers, event.isWanted]).toStrictEqual([false, true]);
  clock.advance(300);
  expect(event.isWanted).toBe(true);
  clock.advance(1);
  expect(event.isWanted).toBe(false);
});

test('an event whose subscription ended by itself is wanted as long, and none where no events are kept', (t) => {
  const clock = stopClock(t);
  const { events, streams, event } = started();
  void events.subscribe(event, streams.add('a').socket, 60);
  clock.advance(70);
  expect(events.subscriptionsOf(event)).toHaveLength(0);
  clock.advance(290);
  expect(event.isWanted).toBe(true);
  events.recent.most = 0;
  expect(event.isWanted).toBe(false);
});
