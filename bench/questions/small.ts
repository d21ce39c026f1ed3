import { type Case, type Effort, plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

/** Connections at once; with few, most of a request is the wake-up of two processes. */
const connectionCounts = [1, 16, 64];
/** Over TLS; it adds to each call much the same. */
const tlsCounts = [16, 64];

export const small: Question = {
  name: 'small',
  title: 'A small command',
  method: '`version`, in a closed loop by wrk.',
  chart: 'rate',
  cases: (effort) => {
    const of = (tls: boolean): Case[] => [
      ...(effort.quick ? [64] : tls ? tlsCounts : connectionCounts).map((count) =>
        one(effort, count, { tls, newConnections: false }),
      ),
      ...(effort.quick && tls ? [] : [one(effort, 16, { tls, newConnections: true })]),
    ];
    return [...of(false), ...of(true)];
  },
};

function one(
  { seconds }: Effort,
  connections: number,
  { tls, newConnections }: { readonly tls: boolean; readonly newConnections: boolean },
): Case {
  const isHeadline = connections === 64 && !tls;
  const manner = newConnections ? 'a new connection for each' : 'keep-alive';
  return {
    name: `${connections} connection${connections === 1 ? '' : 's'}, ${manner}${tls ? ', TLS' : ''}`,
    command: 'version',
    headline: isHeadline,
    ...(isHeadline ? {} : { rounds: 3 }),
    need: { ...plain, tls },
    measure: (peer) => closedLoop(peer, 'version', { connections, seconds, newConnections, tls }),
  };
}
