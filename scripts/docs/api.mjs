// docs/reference/api.md and docs/api-report.d.ts, from the declarations of the package. typedoc does not know the compiler of TypeScript 7.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../steps.mjs';
import { page } from './markdown.mjs';
import { SyntaxKind as Kind, SymbolFlags, withSources } from './sources.mjs';

const intro = `The functions, classes and types that \`import … from 'mi-httpd'\` gives, as the declarations of the package have them; those
below *Tests* are of \`mi-httpd/testing\`.
[Embed](../guide/embed.md) shows how they are used.`;

/** Kinds of exports, in the order of the page; what is exported as a type is none of the others. */
const kinds = {
  Functions: [Kind.FunctionDeclaration],
  Classes: [Kind.ClassDeclaration],
  Constants: [Kind.VariableStatement],
};

/** Everything that the package exports. */
export function apiPage() {
  return ofDeclarations(pageOf);
}

/**
 * The same without comments, for those who review a change of the contract, with the options of modules and the second entry.
 */
export function apiReport({ loadableModules }) {
  const options = loadableModules.map(({ name, parameters }) => optionsText(name, parameters));
  const testing = withoutComments(readFileSync(join(root, 'dist/testing.d.cts'), 'utf8')).replace(/^import .*\n/gm, '');
  return [
    '// The contract of the package, by npm run docs: a change of it shows in review. The types of Node.js are not imported.',
    ofDeclarations(reportOf),
    '// The options of createServer for each module.',
    ...options,
    '// mi-httpd/testing',
    testing,
  ].join('\n\n');
}

function reportOf(files, checker) {
  return exportedOf(files, checker)
    .map(({ text }) => withoutComments(text))
    .join('\n\n');
}

function optionsText(name, parameters) {
  const members = Object.entries(parameters)
    .filter(([, declared]) => !('refused' in declared))
    .map(([parameter, { type }]) => `  readonly ${parameter}?: ${optionTypes[type]} | undefined;`);
  return [`interface options_of_${name} {`, ...members, '}'].join('\n');
}

const optionTypes = { int: 'number', string: 'string', list: 'readonly string[]' };

function withoutComments(text) {
  return text
    .replaceAll(/^ *\/\*\*[\s\S]*?\*\/\n/gm, '')
    .replaceAll(/ ?\/\*\*[\s\S]*?\*\/ ?/g, '')
    .replaceAll('$1', '')
    .trim();
}

function ofDeclarations(use) {
  const folder = `build/docs-${process.pid}`;
  try {
    mkdirSync(join(root, folder), { recursive: true });
    const config = {
      extends: '../../tsconfig.json',
      compilerOptions: { rootDir: '../..' },
      files: ['../../dist/index.d.cts', '../../dist/testing.d.cts'],
    };
    writeFileSync(join(root, folder, 'tsconfig.json'), JSON.stringify({ ...config, include: [] }));
    return withSources(`${folder}/tsconfig.json`, 'dist', use);
  } finally {
    rmSync(join(root, folder), { recursive: true, force: true });
  }
}

/** The declarations of all exports, in the order of their names. */
function exportedOf(files, checker) {
  const elements = files
    .get('index.d.cts')
    .statements.filter(({ kind }) => kind === Kind.ExportDeclaration)
    .flatMap(({ exportClause }) => [...exportClause.elements]);
  const names = new Set(elements.map(({ name }) => name.text));
  return elements
    .map((element) => declarationOf(element, checker, names))
    .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

/** The exports of the second entry, as they stand there. */
function testingOf(files) {
  return files
    .get('testing.d.cts')
    .statements.filter(({ kind }) => kind !== Kind.ImportDeclaration)
    .map((statement) => ({
      name: (statement.name ?? statement.declarationList.declarations[0].name).text,
      text: publicText(statement.getText().replace(/^export (?:declare )?/, '')),
      about: commentBefore(statement),
    }));
}

function pageOf(files, checker) {
  const exported = exportedOf(files, checker);
  const groups = [...Object.keys(kinds), 'Types'].map((title) => [
    title,
    exported.filter(({ group }) => group === title),
  ]);
  groups.push(['Tests', testingOf(files)]);
  const anchors = anchorsOf(groups.flatMap(([title, members]) => [title, ...members.map(({ name }) => name)]));
  const link = (name) => `[\`${name}\`](#${anchors.get(name)})`;
  const contents = groups.map(([title, members]) => `- ${title}: ${members.map(({ name }) => link(name)).join(', ')}`);
  const sections = groups.flatMap(([title, members]) => [
    `## ${title}`,
    ...members.map(({ name, text, about }) => {
      const said = about === '' ? '' : `${linked(about, (one) => (anchors.has(one) ? link(one) : `\`${one}\``))}\n\n`;
      return `### ${name}\n\n${said}\`\`\`ts\n${text.replaceAll('$1', '')}\n\`\`\``;
    }),
  ]);
  return page('API', intro, contents.join('\n'), ...sections);
}

/** The anchor of each heading: one that is there already, in whatever letters, gets a number. */
function anchorsOf(headings) {
  const counts = new Map();
  return new Map(
    headings.map((heading) => {
      const anchor = heading.toLowerCase();
      const before = counts.get(anchor) ?? 0;
      counts.set(anchor, before + 1);
      return [heading, before === 0 ? anchor : `${anchor}-${before}`];
    }),
  );
}

/** A declaration without what nobody outside can use, with the helpers that it extends. */
function declarationOf({ name, isTypeOnly }, checker, names) {
  const found = declarationsOf(name, checker);
  const [first] = found;
  if (first === undefined) throw new Error(`there is no declaration of ${name.text}`);
  const helpers = (first.heritageClauses ?? [])
    .flatMap(({ types }) => [...types])
    .filter(({ expression }) => !names.has(expression.text))
    .flatMap(({ expression }) => declarationsOf(expression, checker));
  const text = [...helpers, ...found].map((one) => publicText(one.getText())).join('\n\n');
  const value = isTypeOnly ? undefined : Object.keys(kinds).find((title) => kinds[title].includes(first.kind));
  return { name: name.text, group: value ?? 'Types', text, about: commentBefore(first) };
}

/** Declarations within the project. */
function declarationsOf(name, checker) {
  const symbol = checker.getSymbolAtLocation(name);
  const target = symbol !== undefined && symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return (target?.declarations ?? [])
    .filter(({ path }) => !path.includes('node_modules'))
    .map((handle) => statementOf(handle.resolve()));
}

function statementOf(node) {
  return node.kind === Kind.VariableDeclaration ? node.parent.parent : node;
}

function publicText(text) {
  return text
    .replace(/^declare /, '')
    .replace(/^ *#private;\n/gm, '')
    .replace(/^ *(?:private|protected) [^\n]*;\n/gm, '')
    .replace(/\{@link ([^}]+)\}/g, '$1');
}

/** The text of the comment right before a node: `/** … *\/`. */
function commentBefore(node) {
  const trivia = node.getSourceFile().text.slice(node.pos, node.getStart());
  const comments = [...trivia.matchAll(/\/\*\*([\s\S]*?)\*\//g)];
  const [, text = ''] = comments.at(-1) ?? [];
  return text
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim();
}

/** Tags as sentences, and links by `link`. */
function linked(about, link) {
  return about
    .replace(/^@param (\S+) /gm, '- `$1`: ')
    .replace(/^@returns /gm, '- Returns ')
    .replace(/^@throws /gm, '- Throws ')
    .replace(/\{@link ([^}]+)\}/g, (_all, name) => link(name));
}
