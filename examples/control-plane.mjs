// An embedded control plane: a program that keeps trunks and lets MI commands read and resize them.
//   node examples/control-plane.mjs
//   curl -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","method":"trunk_list","id":1}' http://127.0.0.1:8888/mi
import { setTimeout as pause } from 'node:timers/promises';
import { command, createServer, defineModule, MiError } from 'mi-httpd';

const trunks = new Map([
  ['carrier-a', 30],
  ['carrier-b', 120],
]);

const trunkModule = defineModule({
  name: 'trunk',
  commands: [
    command({
      name: 'list',
      aliases: ['trunk_list'],
      help: 'Lists the trunks and how many calls each carries.',
      run: () => [...trunks].map(([name, capacity]) => ({ name, capacity })),
    }),
    command({
      name: 'resize',
      aliases: ['trunk_resize'],
      help: 'Sets how many calls a trunk carries.',
      recipes: [{ name: 'string', capacity: 'int' }],
      run: ({ name, capacity }) => {
        if (!trunks.has(name)) throw new MiError(404, 'Trunk not found');
        if (capacity < 1) throw new MiError(400, 'Bad parameter value', `capacity is ${capacity}; give 1 or more`);
        trunks.set(name, capacity);
        return 'OK';
      },
    }),
    command({
      name: 'probe',
      aliases: ['trunk_probe'],
      help: 'Asks a trunk whether it is alive. Answers later; other calls go on meanwhile.',
      recipes: [{ name: 'string' }],
      run: async ({ name }, call) => {
        await pause(20, undefined, { signal: call.signal });
        return { name, alive: trunks.has(name) };
      },
    }),
  ],
});

const server = await createServer({
  httpd: { ip: '127.0.0.1', port: Number(process.env.PORT ?? 8888) },
  modules: [trunkModule],
}).start();
console.log(`serving ${server.urls.join(' ')}`);

process.once('SIGTERM', () => server.close());
process.once('SIGINT', () => server.close());
