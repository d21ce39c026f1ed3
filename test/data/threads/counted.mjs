// A module that each thread with listeners loads. Its default export is a function, so that tests give it the package they try.
import { appendFileSync, readFileSync } from 'node:fs';

export default ({ command, defineModule, MiError }) =>
  defineModule({
    name: 'counted',
    perThread: import.meta.url,
    parameters: {
      greeting: { type: 'string', default: 'hello', help: 'what it says' },
      journal: { type: 'string', default: '', help: 'file that its steps are written to' },
      fault: { type: 'string', default: '', help: 'step that fails in threads' },
    },
    load: (context) => {
      const { parameters, thread, mi, ...others } = context;
      void others;
      const { greeting, journal, fault } = parameters;
      const asked = mi.statistics.add('counted', 'asked', 'counter', { help: 'Questions.' });
      const step = (name) => () => {
        if (journal !== '') appendFileSync(journal, `${name} ${thread}\n`);
        if (fault === name && thread > 0) throw new Error(`no ${name} here`);
      };
      let calls = 0;
      let reloads = 0;
      step('load')();
      const declare = (name, run, more) => command({ name, help: `Does ${name}.`, run, ...more });
      const commands = [
        declare('where', () => {
          asked.add(1);
          calls += 1;
          return { thread, greeting, calls, reloads };
        }, { readOnly: true }),
        declare('later', async () => {
          await new Promise(setImmediate);
          return thread;
        }),
        declare('refuse', () => {
          throw new MiError(480, `Busy in ${thread > 0 ? 'a thread' : 'home'}`);
        }),
        declare('trunk', (_, call) => call.header('x-trunk') ?? 'none', { headers: ['X-Trunk'] }),
        declare('never', (_, { signal }) => new Promise((_, reject) => {
          if (journal !== '') appendFileSync(journal, `never ${thread}\n`);
          signal.addEventListener('abort', () => reject(signal.reason));
        })),
        declare('say', ({ text }, call) => {
          call.log.warn({ said: text, odd: () => 1 }, 'it was said');
          return 'OK';
        }, { recipes: [{ text: 'string' }] }),
        declare('die', () => {
          setImmediate(() => {
            throw new Error('it died');
          });
          return 'dying';
        }),
      ];
      if (thread === 0) commands.push(declare('home', () => thread));
      if (thread > 0 && fault === 'more') commands.push(declare('more', () => thread));
      if (thread > 0 && fault === 'twice') commands.push(declare('later', () => thread));
      if (thread > 0 && fault === 'events') context.events.declare('E_COUNTED');
      if (thread > 0 && fault === 'level')
        commands[0] = declare('where', () => 'another', { readOnly: true, level: 'admin' });
      return {
        commands,
        start: step('start'),
        reload: () => {
          step('reload')();
          if (journal !== '' && readFileSync(journal, 'utf8').includes('bad')) throw new Error('it is bad');
          reloads += 1;
        },
        stop: step('stop'),
        finish: step('finish'),
      };
    },
  });
