// npm run docs: writes the pages that are made from the source, those of docs/reference and docs/compatibility.md:
//   npm run docs               writes them
//   npm run docs -- --check    fails when one is not what it should be, but for the names of variables in errors.md
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { apiPage, apiReport } from './docs/api.mjs';
import { commandsPage } from './docs/commands.mjs';
import { compatibilityPage } from './docs/compatibility.mjs';
import { commandLinePage, parametersPage } from './docs/declarations.mjs';
import { errorsPage } from './docs/errors.mjs';
import { withoutNames } from './docs/messages.mjs';
import { loadProject } from './docs/project.mjs';
import { statisticsPage } from './docs/statistics.mjs';
import { buildAddon, buildTypeScript, root } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

requireNode();
buildAddon();
buildTypeScript();
const project = await loadProject();
const pages = {
  'docs/reference/parameters.md': parametersPage(project),
  'docs/reference/commands.md': await commandsPage(project),
  'docs/reference/statistics.md': await statisticsPage(project),
  'docs/reference/cli.md': commandLinePage(project),
  'docs/reference/errors.md': errorsPage(project),
  'docs/reference/api.md': apiPage(),
  'docs/api-report.d.ts': `${apiReport(project)}\n`,
  'docs/compatibility.md': compatibilityPage(),
};

for (const [name, text] of Object.entries(pages)) {
  const file = join(root, name);
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else if (compared(name, read(file)) !== compared(name, text)) {
    process.stderr.write(`${name} is out of date; run npm run docs\n`);
    process.exitCode = 1;
  }
}

/** Variables may be renamed without a change of the page that names them. */
function compared(name, text) {
  return name === 'docs/reference/errors.md' ? withoutNames(text) : text;
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
