// Writes the tables and the usage of README.md, from what the modules declare and the command prints:
//   node scripts/readme-tables.mjs           writes them
//   node scripts/readme-tables.mjs --check   fails when they are not what they should be
import { readFileSync, writeFileSync } from 'node:fs';
import { usage } from '../lib/cli/arguments.js';
import { createServer } from '../lib/index.js';
import { loadableModules } from '../lib/modules/index.js';

const readme = new URL('../README.md', import.meta.url);

const parts = {
  usage: `\`\`\`text\n${usage}\`\`\``,
  parameters: parameterTable(),
  commands: await commandTable(),
};
const before = readFileSync(readme, 'utf8');
const after = Object.entries(parts).reduce((text, [name, part]) => {
  const place = new RegExp(`(<!-- generated: ${name} -->\n)[\\s\\S]*?(<!-- end -->)`);
  if (!place.test(text)) throw new Error(`README.md has no place for "${name}"`);
  return text.replace(place, (_all, start, end) => `${start}\n${part}\n\n${end}`);
}, before);

if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write('README.md is out of date; run node scripts/readme-tables.mjs\n');
    process.exitCode = 1;
  }
} else {
  writeFileSync(readme, after);
}

function parameterTable() {
  const rows = [['module', 'parameter', 'type', 'default', 'range', 'meaning']];
  for (const { name: module, parameters } of loadableModules) {
    for (const [name, declared] of Object.entries(parameters)) {
      const names = [name, ...(declared.aliases ?? [])].map((text) => `\`${text}\``).join(', ');
      if ('refused' in declared) {
        rows.push([
          module,
          names,
          declared.type,
          '',
          '',
          `${declared.help}; ${declared.isShared ? 'without effect, with a warning' : 'refused'}: ${declared.refused}`,
        ]);
        continue;
      }
      const unit = declared.unit === undefined ? '' : ` ${declared.unit}`;
      const range = declared.type === 'int' ? `${declared.min} to ${declared.max ?? 2147483647}${unit}` : '';
      rows.push([
        module,
        names,
        declared.type,
        declared.type === 'list' || declared.default === undefined ? 'none' : `\`${JSON.stringify(declared.default)}\``,
        range,
        declared.help,
      ]);
    }
  }
  return markdown(rows);
}

/** Asks a running server, as any client would. */
async function commandTable() {
  const levels = ['read', 'operate', 'admin'];
  const listen = levels.map((level) => `http:127.0.0.1:0;level=${level}`);
  const server = await createServer({ httpd: { listen }, usrloc: {}, tellProcess: 'read' }).start();
  const ask = async (method, params, url = server.urls.at(-1)) => {
    const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    return (await (await fetch(url, { method: 'POST', headers, body })).json()).result;
  };
  const rows = [['command', 'also', 'parameters', 'level', 'what it does']];
  const names = await ask('which');
  const visible = [];
  for (const url of server.urls) visible.push(await ask('which', undefined, url));
  const flat = names.filter((name) => !name.includes(':'));
  for (const name of names.filter((text) => text.includes(':'))) {
    const recipes = await ask('which', [name]);
    const { Help: help } = await ask('help', [name]);
    const local = name.slice(name.indexOf(':') + 1);
    const also = [];
    for (const other of flat) {
      const same = (await ask('help', [other])).Help === help;
      if (same) also.push(other);
    }
    rows.push([
      `\`${name}\``,
      [...new Set([local, ...also])].map((text) => `\`${text}\``).join(', '),
      recipes.map((recipe) => `(${recipe.join(', ')})`).join(' '),
      levels[visible.findIndex((some) => some.includes(name))],
      help,
    ]);
  }
  await server.close();
  return markdown(rows);
}

function markdown([head, ...rows]) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
