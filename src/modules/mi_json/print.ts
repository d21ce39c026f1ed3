import { stringify } from '../../text.js';
import type { Member, Node } from './tree.js';

/** Prints a tree as mi_json of OpenSIPS 2.x does, blanks and escaped slashes included; one without members is empty. */
export function printTree(members: readonly Member[]): string {
  return members.length === 0 ? '' : printMembers(members);
}

/** Prints an error: the HTTP status of mi_json is 200 for these, too. */
export function printError(code: number, message: string): string {
  return `{"error": {"code": ${code}, "message": ${quoted(message)}}}`;
}

function printMembers(members: readonly Member[]): string {
  const printed = members.map((member) => {
    const value = 'nodes' in member ? `[${member.nodes.map(printNode).join(', ')}]` : printText(member.text);
    return `${quoted(member.name)}: ${value}`;
  });
  return `{${printed.join(', ')}}`;
}

function printNode({ value, attributes = [], children = [] }: Node): string {
  const parts: string[] = [];
  if (value !== undefined) parts.push(`"value":${quoted(value)}`);
  if (attributes.length > 0) parts.push(`"attributes":${printMembers(attributes)}`);
  if (children.length > 0) parts.push(`"children":${printMembers(children)}`);
  return `{${parts.join(', ')}}`;
}

/** A node without a value is an empty object there. */
function printText(text: string): string {
  return text === '' ? '{}' : quoted(text);
}

function quoted(text: string): string {
  return stringify(text).replaceAll('/', '\\/');
}
