// What a project of somebody else's would write; compiled and run there against the packed package.
import {
  codes,
  command,
  createServer,
  defineModule,
  type Log,
  MiError,
  type Server,
  type ServerOptions,
} from 'mi-httpd';

const resize = command({
  name: 'resize',
  help: 'Sets how many calls a trunk carries.',
  recipes: [{ trunk: 'string' }, { trunk: 'string', capacity: 'int' }],
  run: async ({ trunk, capacity }, call) => {
    const name: string = trunk;
    const count: number | undefined = capacity;
    const signal: AbortSignal = call.signal;
    // @ts-expect-error a trunk is a string
    const wrong: number = trunk;
    // @ts-expect-error capacity may be absent
    const sure: number = capacity;
    if (signal.aborted || wrong === sure) throw new MiError(codes.invalidParams, 'Invalid params');
    return { trunk: name, capacity: count ?? 30 };
  },
});

const pbx = defineModule({
  name: 'pbx',
  parameters: { trunks: { type: 'int', default: 2, min: 1, help: 'number of trunks' } },
  load: ({ parameters }) => {
    const trunks: number = parameters.trunks;
    return { commands: [resize, command({ name: 'trunks', help: 'Number of trunks.', run: () => trunks })] };
  },
});

// @ts-expect-error trunks is a number
pbx.with({ trunks: 'two' });
// @ts-expect-error httpd has no such parameter
const mistaken: ServerOptions = { httpd: { prot: 8888 } };

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const options: ServerOptions = {
  httpd: { ip: '127.0.0.1', port: 0 },
  mi_http: { root: 'mi' },
  modules: [pbx.with({ trunks: 4 })],
  log,
};
const server: Server = await createServer(options).start();
const [url = ''] = server.urls;
const response = await fetch(url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: '{"jsonrpc":"2.0","method":"pbx:resize","params":{"trunk":"carrier-a"},"id":1}',
});
const { result } = (await response.json()) as { result: unknown };
console.log(JSON.stringify(result));
await server.close({ deadline: 1 });

export { mistaken };
