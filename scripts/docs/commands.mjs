// docs/reference/commands.md, from what a running server tells any client.
import { page, table } from './markdown.mjs';

const levels = ['read', 'operate', 'admin'];

const intro = `A command is found by its full name (\`core:ps\`), by its bare name where only one module has it (\`ps\`), and by the name that
it had in OpenSIPS 3.x (\`get_statistics\`). Parameters are lists of names, each of which the command accepts.
[Levels](../guide/users.md#levels) are read, operate and admin.`;

/** The commands of all modules. */
export async function commandsPage({ createServer }) {
  const listen = levels.map((level) => `http:127.0.0.1:0;level=${level}`);
  const server = await createServer({
    httpd: { listen },
    usrloc: {},
    fleet: { name: 'sip-01' },
    tellProcess: 'read',
  }).start();
  try {
    return page('Commands', intro, await commandTable(server.urls.filter((url) => url.endsWith('/mi'))));
  } finally {
    await server.close();
  }
}

async function commandTable(urls) {
  const ask = async (method, params, url = urls.at(-1)) => {
    const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    return (await (await fetch(url, { method: 'POST', headers, body })).json()).result;
  };
  const rows = [['command', 'also', 'parameters', 'level', 'what it does']];
  const names = await ask('which');
  const visible = [];
  for (const url of urls) visible.push(await ask('which', undefined, url));
  const helps = new Map();
  for (const name of names) helps.set(name, (await ask('help', [name])).Help);
  const flat = names.filter((name) => !name.includes(':'));
  for (const name of names.filter((text) => text.includes(':'))) {
    const recipes = await ask('which', [name]);
    const help = helps.get(name);
    const also = [name.slice(name.indexOf(':') + 1), ...flat.filter((other) => helps.get(other) === help)];
    rows.push([
      `\`${name}\``,
      [...new Set(also)].map((text) => `\`${text}\``).join(', '),
      recipes.map((recipe) => `(${recipe.join(', ')})`).join(' '),
      levels[visible.findIndex((some) => some.includes(name))],
      help,
    ]);
  }
  return table(rows);
}
