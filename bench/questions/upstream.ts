import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

export const upstream: Question = {
  name: 'upstream',
  title: 'A small command of an OpenSIPS behind it',
  method:
    '`version`, in a closed loop by wrk, through what stands in front of an OpenSIPS; the shape of the original is asked directly.',
  chart: 'cpu',
  cases: ({ quick, seconds }) =>
    (quick ? [64] : [1, 16, 64]).map((connections) => ({
      name: `${connections} connection${connections === 1 ? '' : 's'}`,
      command: 'upstream',
      need: plain,
      measure: (peer) => closedLoop(peer, 'upstream', { connections, seconds, newConnections: false, tls: false }),
    })),
};
