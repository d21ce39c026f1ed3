import { stringify } from '../../text.js';
import type { Member, Node } from './tree.js';

/**
 * Prints a tree as mi_json of OpenSIPS 2.x does, blanks and escaped slashes included; one without members is empty. The
 * text comes in pieces, each a matter of microseconds, so that a long one can be printed in turns.
 */
export function* printTree(members: Iterable<Member>): Generator<string> {
  let isEmpty = true;
  for (const piece of printMembers(members)) {
    // The first piece holds the first member, if there is one.
    if (isEmpty && piece === '{}') return;
    isEmpty = false;
    yield piece;
  }
}

/** Prints an error: the HTTP status of mi_json is 200 for these, too. */
export function printError(code: number, message: string): string {
  return `{"error": {"code": ${code}, "message": ${quoted(message)}}}`;
}

function* printMembers(members: Iterable<Member>): Generator<string> {
  let before = '{';
  for (const member of members) {
    const start = `${before}${quoted(member.name)}: `;
    before = ', ';
    if ('nodes' in member) {
      yield `${start}[`;
      yield* printNodes(member.nodes);
      yield ']';
    } else {
      yield `${start}${printText(member.text)}`;
    }
  }
  yield before === '{' ? '{}' : '}';
}

function* printNodes(nodes: Iterable<Node>): Generator<string> {
  let before = '';
  for (const node of nodes) {
    if (before !== '') yield before;
    before = ', ';
    yield* printNode(node);
  }
}

function* printNode({ value, attributes = [], children = [] }: Node): Generator<string> {
  let text = '{';
  if (value !== undefined) text += `"value":${quoted(value)}`;
  if (attributes.length > 0) {
    const printed = [...printMembers(attributes)].join('');
    text += `${text === '{' ? '' : ', '}"attributes":${printed}`;
  }
  const before = `${text === '{' ? '' : ', '}"children":`;
  yield text;
  let isFirst = true;
  for (const piece of printMembers(children)) {
    if (isFirst && piece === '{}') break;
    yield isFirst ? `${before}${piece}` : piece;
    isFirst = false;
  }
  yield '}';
}

/** A node without a value is an empty object there. */
function printText(text: string): string {
  return text === '' ? '{}' : quoted(text);
}

function quoted(text: string): string {
  return stringify(text).replaceAll('/', '\\/');
}
