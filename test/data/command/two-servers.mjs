// Two servers in one process: each answers, each is closed, and then nothing keeps the process alive.
import { command, createServer, defineModule } from 'mi-httpd';

const named = (name) =>
  defineModule({ name: 'who', commands: [command({ name: 'am_i', help: 'Tells its name.', run: async () => name })] });

async function call(url) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"jsonrpc":"2.0","method":"who:am_i","id":7}',
  });
  return response.json();
}

const [first, second] = ['first', 'second'].map((name) =>
  createServer({ httpd: { ip: '127.0.0.1', port: 0 }, modules: [named(name)] }),
);
await first.start();
await second.start();
const urls = [...first.urls, ...second.urls];
const replies = [await call(urls[0]), await call(urls[1])];
await first.close();
replies.push(await call(urls[1]));
const refused = await call(urls[0]).catch((error) => error.cause?.code);
await Promise.all([second.close(), second.close(), first.close()]);
console.log(JSON.stringify({ urls, replies, refused }));
