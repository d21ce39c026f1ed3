import { plain, type Question } from '../question.js';

export const startUp: Question = {
  name: 'start-up',
  title: 'Start',
  method: 'From the start of the process to its first answer to `version`, asked every two milliseconds.',
  chart: 'start',
  cases: () => [
    {
      name: 'to the first answer',
      command: 'version',
      need: plain,
      rounds: 3,
      lasts: 0,
      isStart: true,
      measureStart: async (start) => {
        const { peer, startMs } = await start();
        return { start: startMs, resident: peer.usage().resident / 1e6 };
      },
    },
  ],
};
