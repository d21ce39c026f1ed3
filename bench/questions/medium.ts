import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

const commands = ['which', 'get_statistics'] as const;

export const medium: Question = {
  name: 'medium',
  title: 'Medium replies',
  method:
    'The names of all commands (`which`), and all statistics (`get_statistics all`), 64 connections. Peers that work by ' +
    'hand, and the baseline, have the names of mi-httpd; Kamailio and OpenSIPS have their own, so their replies differ in length.',
  chart: 'rate',
  cases: ({ quick, seconds }) =>
    (quick ? commands.slice(1) : commands).map((command) => ({
      name: command,
      command,
      need: plain,
      measure: (peer) => closedLoop(peer, command, { connections: 64, seconds }),
    })),
};
