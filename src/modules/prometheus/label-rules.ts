import { coded } from '../../base/codes.js';
import { reasonOf } from '../../base/text.js';

/** Labels of a series: names and values, in order. */
export type Labels = readonly (readonly [name: string, value: string])[];

/** The name and the labels that a rule makes of the name of a statistic. */
export interface Renamed {
  readonly name: string;
  readonly labels: Labels;
}

/** `group: /expression/name:labels/flags`, a rule of parameter `labels`. */
export interface LabelRule {
  /** In lower case. */
  readonly group: string;
  readonly expression: RegExp;
  readonly substitution: string;
}

/** Longer names are left as they are, so that no expression works on them for long. */
const longestName = 128;

const classes: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  upper: 'A-Z',
  xdigit: '0-9A-Fa-f',
};

const ruleForm = /^\s*([A-Za-z0-9_.-]+)\s*:\s*(\S.*)$/s;
const flagsForm = /^[gis]*$/;
const classForm = /\[:([a-z]+):\]/g;
const reference = /\\([0-9nt\\])|\\(.)/gs;

/** @throws Error telling what is wrong with a rule */
export function labelRule(text: string): LabelRule {
  const [, group, rest = ''] = ruleForm.exec(text) ?? [];
  if (group === undefined) throw wrong('it is no "group: /expression/name:labels/"');
  const mark = rest.charAt(0);
  const [expression, substitution, flags] = partsOf(rest.slice(1), mark);
  if (expression === undefined || substitution === undefined || flags === undefined || expression === '')
    throw wrong(`it has not three parts that end with "${mark}": give /expression/name:labels/`);
  if (!flagsForm.test(flags.trim())) throw wrong(`"${flags.trim()}" are no flags; give i, g or s`);
  if (!substitution.includes(':')) throw wrong('what stands in for the name has no ":"; give NAME:LABEL="VALUE"');
  try {
    const kept = flags.includes('g') ? 'gs' : 's';
    return {
      group: group.toLowerCase(),
      expression: new RegExp(toJavaScript(expression), flags.includes('i') ? `${kept}i` : kept),
      substitution,
    };
  } catch (error) {
    throw wrong(reasonOf(error));
  }
}

function wrong(reason: string): Error {
  return coded('ERR_PARAMETER', new Error(reason));
}

/** The parts of a text between marks, of which one behind a backslash is none. */
function partsOf(text: string, mark: string): readonly string[] {
  const parts = [''];
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    const next = text.charAt(at + 1);
    if (character === mark && parts.length < 3) parts.push('');
    else if (character === '\\' && next === mark) {
      parts.push(`${parts.pop() ?? ''}${next}`);
      at++;
    } else if (character === '\\' && next !== '') {
      parts.push(`${parts.pop() ?? ''}\\${next}`);
      at++;
    } else parts.push(`${parts.pop() ?? ''}${character}`);
  }
  return parts;
}

/** A POSIX extended expression as one of JavaScript: within brackets a backslash is a character, and there are classes. */
function toJavaScript(expression: string): string {
  if (expression.includes('(?')) throw wrong('"(?" has no meaning in POSIX; write \\( for the character');
  let text = '';
  let at = 0;
  while (at < expression.length) {
    const character = expression.charAt(at);
    if (character === '\\') {
      text += expression.slice(at, at + 2);
      at += 2;
    } else if (character === '[') {
      const end = endOfBracket(expression, at);
      text += bracket(expression.slice(at + 1, end));
      at = end + 1;
    } else {
      text += character;
      at += 1;
    }
  }
  return text;
}

/** Where the bracket that begins here ends: not by a `]` that stands first, nor by that of a class. */
function endOfBracket(expression: string, start: number): number {
  let at = start + (expression.charAt(start + 1) === '^' ? 2 : 1);
  if (expression.charAt(at) === ']') at++;
  for (; at < expression.length; at++) {
    if (expression.startsWith('[:', at)) {
      const end = expression.indexOf(':]', at + 2);
      if (end !== -1) at = end + 1;
    } else if (expression.charAt(at) === ']') return at;
  }
  throw wrong('"[" has no "]": write \\[ for the character');
}

function bracket(content: string): string {
  const isNegated = content.startsWith('^');
  let members = '';
  let after = 0;
  const body = isNegated ? content.slice(1) : content;
  const literal = (text: string): string => text.replace(/[\\\][]/g, '\\$&');
  for (const match of body.matchAll(classForm)) {
    const [whole, name = ''] = match;
    const known = Object.hasOwn(classes, name) ? classes[name] : undefined;
    if (known === undefined) throw wrong(`[:${name}:] is no character class of POSIX`);
    members += literal(body.slice(after, match.index)) + known;
    after = match.index + whole.length;
  }
  return `[${isNegated ? '^' : ''}${members}${literal(body.slice(after))}]`;
}

/**
 * What the first rule that fits makes of a name; undefined where none does, or where what comes out is no `name:labels`.
 */
export function renamed(rules: readonly LabelRule[], group: string, name: string): Renamed | undefined {
  if (name.length > longestName) return undefined;
  const key = group.toLowerCase();
  const rule = rules.find((one) => one.group === key && name.search(one.expression) !== -1);
  if (rule === undefined) return undefined;
  const text = name.replace(rule.expression, (...match: readonly unknown[]) => filled(rule.substitution, match));
  const colon = text.indexOf(':');
  const labels = colon < 1 ? undefined : parseLabels(text.slice(colon + 1));
  return labels === undefined ? undefined : { name: text.slice(0, colon), labels };
}

/** The substitution with what the groups of the expression have matched. */
function filled(substitution: string, match: readonly unknown[]): string {
  return substitution.replace(reference, (_whole, known: string | undefined, other: string | undefined) => {
    if (known === undefined) return other ?? '';
    if (known === 'n') return '\n';
    if (known === 't') return '\t';
    if (known === '\\') return '\\';
    const group = match[Number(known)];
    // Behind the groups stand the place of the match and the whole name.
    return typeof group === 'string' && Number(known) < match.length - 2 ? group : '';
  });
}

const labelName = /\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*/y;
const labelValue = /"((?:[^"\\]|\\.)*)"|([^",]*)/sy;
const labelEnd = /\s*(,|$)/y;
const escaped = /\\(.)/gs;

/** `gateway="gw1",side=in` as names and values; undefined when it is no list of labels, or names one twice. */
function parseLabels(text: string): Labels | undefined {
  const labels = new Map<string, string>();
  let at = 0;
  while (at < text.length) {
    labelName.lastIndex = at;
    const [, name] = labelName.exec(text) ?? [];
    if (name === undefined || name.startsWith('__') || labels.has(name)) return undefined;
    labelValue.lastIndex = labelName.lastIndex;
    const [, quoted, plain = ''] = labelValue.exec(text) ?? [];
    labels.set(name, quoted?.replace(escaped, (_, one: string) => (one === 'n' ? '\n' : one)) ?? plain.trim());
    labelEnd.lastIndex = labelValue.lastIndex;
    if (labelEnd.exec(text) === null) return undefined;
    at = labelEnd.lastIndex;
  }
  return labels.size === 0 ? undefined : [...labels];
}
