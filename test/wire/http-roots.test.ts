import { expect } from 'vitest';
import type { Caller, Exchange } from '#src/http/exchange.js';
import { tcpSetting } from '#src/http/listen/setting.js';
import type { Access } from '#src/http/login/access.js';
import { HttpServer } from '#src/http/server.js';
import { answers } from '../support/engine.js';
import { lastError, options, root } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

const echoPath = (name: string) =>
  root({ module: name, root: name, onRequest: (exchange) => void exchange.reply(200, `${name}:${exchange.path}`) });

const callerOf = (name: string): Caller => ({ name, method: 'basic', grant: 'admin' });

test('a path is served by the root that is its first segment', async ({ start }) => {
  const { port } = await start([echoPath('mi'), echoPath('mi_html'), echoPath('RPC2')]);
  const table: readonly (readonly [path: string, served: string | 404 | 400])[] = [
    ['/mi', 'mi:'],
    ['/mi/', 'mi:/'],
    ['/mi/any/thing', 'mi:/any/thing'],
    ['/mi//', 'mi://'],
    ['/mi?x=1', 'mi:'],
    ['/mi/?x=1', 'mi:/'],
    ['/mi/a?x=/mi_html', 'mi:/a'],
    ['/mi_html', 'mi_html:'],
    ['/mi_html/x', 'mi_html:/x'],
    ['/RPC2', 'RPC2:'],
    ['/m%69', 'mi:'],
    ['/mi%2Fa', 'mi:/a'],
    ['/mi/a%20b%2Bc+d', 'mi:/a b+c+d'],
    ['/mi/%25%32%30', 'mi:/%20'],
    ['/mi/%C3%A9', 'mi:/é'],
    ['/mi/..', 'mi:/..'],
    ['/MI', 404],
    ['/m', 404],
    ['/mix', 404],
    ['/mi.', 404],
    ['/', 404],
    ['//mi', 404],
    ['/rpc2', 404],
    ['/mi%00', 400],
    ['/mi/%00a', 400],
    ['/mi/%', 400],
    ['/mi/%4', 400],
    ['/mi/%zz', 400],
    ['/mi/%FF', 400],
    ['/%zz', 400],
  ];
  for (const [path, served] of table) {
    const response = await ask(port, 'GET', path);
    if (typeof served === 'number') {
      expect(response.status, path).toBe(served);
      expect(response.headers.get('content-type'), path).toBe('text/plain; charset=utf-8');
    } else {
      expect(response.text, path).toBe(served);
    }
  }
});

test('an unknown path is told with the roots there are, cut when long', async ({ start }) => {
  const { port, counter } = await start([echoPath('mi'), echoPath('metrics')]);
  const short = await ask(port, 'POST', '/nope', 'body');
  expect(short.status).toBe(404);
  expect(short.text).toBe('no root path serves "/nope"; there are: /metrics, /mi\n');
  const long = await ask(port, 'GET', `/${'x'.repeat(5000)}`);
  expect(long.status).toBe(404);
  expect(long.text.length, long.text).toBeLessThan(300);
  expect(counter('refused')).toBe(2);
});

test('a refused request with a body leaves the connection usable', async ({ start }) => {
  const { port } = await start([root({ methods: ['GET'] })]);
  const client = await RawClient.connect(port);
  expect((await client.ask('POST', '/nope', 'x'.repeat(30000))).status).toBe(404);
  expect((await client.ask('POST', '/t', 'GET /t HTTP/1.1\r\nHost: x\r\n\r\n')).status).toBe(405);
  expect((await client.ask('GET', '/t')).text).toBe('ok');
  client.close();
});

test('roots are listed newest first, and initialised in that order before listening', async ({ start }) => {
  const order: string[] = [];
  const declare = (name: string) =>
    root({
      module: `module_${name}`,
      root: name,
      onInit: async () => {
        await Promise.resolve();
        order.push(name);
      },
    });
  const { server } = await start(['a', 'b', 'c'].map(declare));
  const listed = server.roots.map(({ module, root }) => `${root} of ${module}`);
  expect(listed).toStrictEqual(['c of module_c', 'b of module_b', 'a of module_a']);
  expect(order).toStrictEqual(['c', 'b', 'a']);
});

test('a failing onInit fails the start', async () => {
  const server = new HttpServer(options());
  server.registerRoot(root({ onInit: () => Promise.reject(new Error('no database')) }));
  await expect(server.start()).rejects.toThrow(expect.objectContaining({ message: 'no database' }));
  expect(server.bound).toBe(undefined);
});

test('bad, taken and late roots are refused at registration', async ({ start }) => {
  const server = new HttpServer(options());
  for (const name of ['', 'a/b', 'a-b', 'a b', 'ä', '/a', 'a.b']) {
    expect(() => server.registerRoot(root({ root: name })), name).toThrow(/is not one or more of letters/);
  }
  server.registerRoot(root({ module: 'mi_http', root: 'mi' }));
  expect(() => server.registerRoot(root({ module: 'mi_html', root: 'mi' }))).toThrow(
    expect.toSatisfy((error: Error) => {
      expect(error.message).toMatch(/mi_html/);
      expect(error.message).toMatch(/mi_http/);
      return true;
    }),
  );
  expect(() => server.registerRoot(root({ root: 'b', contentType: 'a\r\nX: b' }))).toThrow(/Content-Type contains CR/);
  expect(() => server.registerRoot(root({ root: 'b', timeout: -1 }))).toThrow(/timeout -1 of root path "b"/);
  const started = await start([root()]);
  expect(() => started.server.registerRoot(root({ root: 'late' }))).toThrow(/too late/);
});

test('405 names the methods of the root; lower-case methods are other methods', async ({ start }) => {
  const { port, counter } = await start([
    root({ root: 'both' }),
    root({ root: 'get', methods: ['GET'] }),
    root({ root: 'post', methods: ['POST'] }),
  ]);
  const table: readonly (readonly [method: string, path: string, allow: string])[] = [
    ['PUT', '/both', 'GET, HEAD, POST'],
    ...(answers.lowerCaseMethod === 405
      ? (['get', 'GETX', 'POSTAL'] as const).map((method) => [method, '/both', 'GET, HEAD, POST'] as const)
      : []),
    ['OPTIONS', '/both', 'GET, HEAD, POST'],
    ['TRACE', '/both', 'GET, HEAD, POST'],
    ['POST', '/get', 'GET, HEAD'],
    ['GET', '/post', 'POST'],
    ['HEAD', '/post', 'POST'],
  ];
  for (const [method, path, allow] of table) {
    const response = await ask(port, method, path);
    expect(response.status, `${method} ${path}`).toBe(405);
    expect(response.headers.get('allow'), `${method} ${path}`).toBe(allow);
  }
  expect(counter('refused')).toBe(table.length);
  expect(counter('replies_4xx')).toBe(table.length);
});

test('the answers of the layer come in the content type of the root', async ({ start }) => {
  const { port } = await start([
    root({ root: 'html', contentType: 'text/html; charset=utf-8', accepts: () => false }),
    root({ root: 'json', contentType: 'application/json', accepts: () => false }),
    root({ root: 'text', accepts: () => false }),
    root({ root: 'own', accepts: () => false, refuse: (status, reason) => `${status}!${reason}` }),
    root({
      root: 'bad',
      accepts: () => false,
      refuse: () => {
        throw new Error('refuse is broken');
      },
    }),
  ]);
  const post = (path: string) => ask(port, 'POST', path, 'x', ['Content-Type: text/<b>']);
  const html = await post('/html');
  expect(html.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(html.text).toMatch(/<h1>415 Unsupported Media Type<\/h1>/);
  expect(html.text).toMatch(/text\/&lt;b&gt;/);
  expect(html.text).not.toMatch(/<b>/);
  expect(JSON.parse((await post('/json')).text)).toStrictEqual({
    error: 'content type "text/<b>" is not accepted here',
  });
  expect((await post('/text')).text).toBe('content type "text/<b>" is not accepted here\n');
  expect((await post('/own')).text).toBe('415!content type "text/<b>" is not accepted here');
  expect((await post('/bad')).status).toBe(415);
});

test('accepts sees the bare media type', async ({ start }) => {
  const seen: string[] = [];
  const { port } = await start([root({ accepts: (type) => seen.push(type) > 0 })]);
  const types = ['application/json', 'Application/JSON ; charset=utf-8', 'text/xml;x', ' text/plain '];
  for (const type of types) await ask(port, 'POST', '/t', 'x', [`Content-Type: ${type}`]);
  await ask(port, 'POST', '/t', 'x');
  await ask(port, 'GET', '/t');
  expect(seen).toStrictEqual(['application/json', 'application/json', 'text/xml', 'text/plain', '']);
});

test('choose is asked once per request, by its head, what takes it', async ({ start }) => {
  const asked: string[] = [];
  const told = (name: string): ((exchange: Exchange) => void) => {
    return (exchange) => void exchange.reply(200, `${name} ${exchange.header('x')} ${exchange.body.length}`);
  };
  const { port } = await start([
    root({
      headers: ['x'],
      accepts: () => expect.unreachable('accepts is not asked beside choose'),
      onRequest: () => expect.unreachable('choose names what takes a request'),
      choose: ({ method, mediaType }) => {
        asked.push(`${method} ${mediaType}`);
        if (method === 'GET') return { onRequest: told('page') };
        return mediaType === 'text/plain' ? { keepsHeaders: false, onRequest: told('text') } : undefined;
      },
    }),
  ]);
  const posted = async (type: string) => ask(port, 'POST', '/t', 'abc', ['X: 1', `Content-Type: ${type}`]);
  expect((await ask(port, 'GET', '/t', '', ['X: 1'])).text).toBe('page 1 0');
  expect((await posted('text/plain')).text).toBe('text undefined 3');
  expect((await posted('text/xml')).status).toBe(415);
  expect((await ask(port, 'PUT', '/t', 'abc')).status).toBe(405);
  expect(asked).toStrictEqual(['GET ', 'POST text/plain', 'POST text/xml']);
});

test('an accepts that fails while a login is verified is told behind it, and the caller is nobody else', async ({
  start,
}) => {
  const logins: ((caller: Caller) => void)[] = [];
  const access: Access = {
    needsLogin: true,
    hasSessions: false,
    excludes: () => false,
    checkAddress: () => undefined,
    certificateRefused: () => {},
    check: ({ authorization }) =>
      authorization === 'later' ? new Promise((resolve) => void logins.push(resolve)) : callerOf(authorization),
  };
  const served: Exchange[] = [];
  const failing = root({
    accepts: (type) => {
      if (type === 'text/fails') throw new Error('accepts is broken');
      return true;
    },
    onRequest: (exchange) => void served.push(exchange),
  });
  const { port, until } = await start([failing], {
    listeners: [{ setting: tcpSetting('http', '127.0.0.1', 0), access }],
  });
  const first = ask(port, 'POST', '/t', 'x', ['Authorization: later', 'Content-Type: text/fails']);
  await until(() => logins.length === 1);
  // Turns in which it could be answered, and its exchange serve another request.
  for (let n = 0; n < 5; n++) expect((await ask(port, 'PUT', '/t', '', ['Authorization: x'])).status).toBe(405);
  const others = Array.from({ length: 8 }, () =>
    ask(port, 'POST', '/t', 'x', ['Authorization: anna', 'Content-Type: text/plain']),
  );
  await until(() => served.length === others.length);
  logins[0]?.(callerOf('mallory'));
  expect((await first).status).toBe(500);
  // The login has been told of in a later turn.
  expect((await ask(port, 'PUT', '/t', '', ['Authorization: x'])).status).toBe(405);
  for (const exchange of served) {
    expect(exchange.caller?.name).toBe('anna');
    exchange.reply(200, 'done');
  }
  for (const { text } of await Promise.all(others)) expect(text).toBe('done');
});

test('an accepts that fails is answered 500', async ({ start }) => {
  const { port, log } = await start([
    root({
      accepts: () => {
        throw new Error('accepts is broken');
      },
    }),
  ]);
  expect((await ask(port, 'POST', '/t', 'x')).status).toBe(500);
  expect(lastError(log)).toMatch(/accepts is broken/);
  expect((await ask(port, 'GET', '/t')).status).toBe(200);
});

test('only declared request headers are kept', async ({ start }) => {
  const { port, log } = await start([
    root({
      headers: ['X-One', 'authorization'],
      onRequest: (exchange) => {
        if (exchange.path === '/undeclared') exchange.header('x-two');
        exchange.reply(200, JSON.stringify([exchange.header('x-one'), exchange.header('Authorization')]));
      },
    }),
  ]);
  expect((await ask(port, 'POST', '/t', 'body', ['x-ONE: 1'])).text).toBe('["1",null]');
  expect((await ask(port, 'GET', '/t/undeclared')).status).toBe(500);
  expect(lastError(log)).toMatch(/request header x-two is not kept/);
});
