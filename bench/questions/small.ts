import { type Case, type Effort, plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

/** Connections at once; with few, most of a request is the wake-up of two processes. */
const connectionCounts = [1, 16, 64];

export const small: Question = {
  name: 'small',
  title: 'A small command',
  method: '`version`, in a closed loop by wrk.',
  chart: 'rate',
  cases: (effort) => {
    const counts = effort.quick ? [64] : connectionCounts;
    const of = (tls: boolean): Case[] => [
      ...counts.map((count) => one(effort, count, { tls, newConnections: false })),
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
  const manner = newConnections ? 'a new connection for each' : 'keep-alive';
  return {
    name: `${connections} connection${connections === 1 ? '' : 's'}, ${manner}${tls ? ', TLS' : ''}`,
    command: 'version',
    headline: connections === 64 && !tls,
    need: { ...plain, tls },
    measure: (peer) => closedLoop(peer, 'version', { connections, seconds, newConnections, tls }),
  };
}
