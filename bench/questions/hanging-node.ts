import { setTimeout as pause } from 'node:timers/promises';
import { figureOf } from '../figures.js';
import { callBySchedule, readSlowly } from '../load/client.js';
import type { Command } from '../peers/peer.js';
import { end } from '../process/run-to-end.js';
import { plain, type Question, type RunningPeer } from '../question.js';

/** Calls a second. */
const rate = 500;

/** Calls of the node that hangs, which are fewer than the 256 that may wait. */
const waiting = 250;

/** Pairs of one measurement, each of a turn with nothing else and one beside the node that hangs. */
const turns = 5;
const quickTurns = 3;

/** Seconds of a turn for each second of other measurements: a p99 of few calls is one late call. */
const length = 2;

/** Milliseconds in which the calls of the node that hangs have been made. */
const settling = 500;

const asked: readonly { readonly name: string; readonly command: Command }[] = [
  { name: 'a command of mi-httpd', command: 'own' },
  { name: 'a command of another node', command: 'beside' },
];

interface Pair {
  readonly idle: number;
  readonly hanging: number;
}

export const hangingNode: Question = {
  name: 'hanging-node',
  title: 'A small command while an OpenSIPS hangs',
  method: `\`version\` of mi-httpd, or of a node beside the one that hangs, ${rate} calls/s by schedule on 4 connections; ${waiting} connections wait for the node that hangs, or nothing does. Both by turns, ${turns} each in every measurement, of whose p99 the medians count; times idle is the median of the ratios of turns that follow each other.`,
  chart: 'timesIdle',
  cases: ({ quick, seconds }) => {
    const pairs = quick ? quickTurns : turns;
    return asked.map(({ name, command }) => ({
      name,
      command,
      need: plain,
      rounds: 2,
      lasts: pairs * 2 * (seconds * length + settling / 1000),
      measure: async (peer) => {
        const found: Pair[] = [];
        for (let turn = 0; turn < pairs; turn += 1) {
          // There and back, so that neither always comes first.
          const order = turn % 2 === 0 ? [false, true] : [true, false];
          const p99 = new Map<boolean, number>();
          for (const hangs of order) p99.set(hangs, await p99Of(peer, command, hangs, seconds * length));
          found.push({ idle: p99.get(false) ?? Number.NaN, hanging: p99.get(true) ?? Number.NaN });
        }
        const median = (of: (pair: Pair) => number): number => figureOf(found.map(of)).median;
        return {
          idleP99: median(({ idle }) => idle),
          p99: median(({ hanging }) => hanging),
          timesIdle: median(({ idle, hanging }) => hanging / idle),
        };
      },
    }));
  },
};

async function p99Of(peer: RunningPeer, command: Command, hangs: boolean, seconds: number): Promise<number> {
  const others = hangs ? readSlowly(peer.port, peer.call('hang'), waiting, seconds + 1 + settling / 1000) : undefined;
  try {
    // The same rest without them, so that turns differ in nothing else.
    await pause(settling);
    return (await callBySchedule(peer.port, peer.call(command), { rate, connections: 4, seconds })).p99;
  } finally {
    if (others !== undefined) await end(others);
  }
}
