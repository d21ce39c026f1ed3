import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Words after which a slash begins a regular expression. */
const before = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'throw',
  'new',
  'else',
  'do',
  'yield',
  'await',
]);

/** The regular expressions of a source text, as they are written; `new RegExp(…)` as that. */
export function expressionsOf(source: string): readonly string[] {
  const found: string[] = [];
  /** Braces that are open, by whether they are those of a template. */
  const open: boolean[] = [];
  let last = '';
  let at = source.startsWith('#!') ? lineEnd(source, 0) : 0;
  const template = (): void => {
    while (at < source.length) {
      if (source[at] === '\\') at += 2;
      else if (source.startsWith('${', at)) {
        open.push(true);
        at += 2;
        last = '{';
        return;
      } else if (source[at++] === '`') {
        last = '`';
        return;
      }
    }
  };
  while (at < source.length) {
    const rest = source.slice(at, at + 2);
    const character = source.charAt(at);
    if (rest === '//') at = lineEnd(source, at);
    else if (rest === '/*') at = source.indexOf('*/', at) + 2;
    else if (/\s/.test(character)) at += 1;
    else if (character === '`') {
      at += 1;
      template();
    } else if (character === "'" || character === '"') {
      at += 1;
      while (source[at] !== character) at += source[at] === '\\' ? 2 : 1;
      at += 1;
      last = character;
    } else if (character === '/' && (/^[(,=:[!&|?{};~+\-*%<>^]?$/.test(last) || before.has(last))) {
      const text = /^\/(?:\[(?:\\.|[^\]\\])*\]|\\.|[^/\\[])+\/[a-z]*/.exec(source.slice(at))?.[0] ?? '/';
      found.push(text);
      at += text.length;
      last = ')';
    } else if (/[\w$]/.test(character)) {
      const word = /^[\w$]+/.exec(source.slice(at, at + 200))?.[0] ?? character;
      if (word === 'RegExp' && last === 'new') found.push('new RegExp');
      at += word.length;
      last = word;
    } else {
      at += 1;
      last = character;
      if (character === '{') open.push(false);
      else if (character === '}' && open.pop() === true) template();
    }
  }
  return found;
}

function lineEnd(source: string, at: number): number {
  const end = source.indexOf('\n', at);
  return end === -1 ? source.length : end;
}

/** Every file of the source with its expressions, by path. */
export function allExpressions(folder = 'src'): ReadonlyMap<string, readonly string[]> {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = all.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  const found = files.sort().map((file) => [file, expressionsOf(readFileSync(join(folder, file), 'utf8'))] as const);
  return new Map(found.filter(([, expressions]) => expressions.length > 0));
}
