import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';

// Trees of OpenSIPS 2.x. By FIFO and datagram a node is its value, or an object of `value`, its attributes and the nodes below it
// (upstream/lines.ts); mi_json keeps the latter two apart, as `attributes` and `children`.

/** The nodes of a name: of one alone there is no array. */
export function nodesOf(found: JsonValue | undefined): readonly JsonValue[] {
  if (found === undefined) return [];
  return Array.isArray(found) ? (found as readonly JsonValue[]) : [found as JsonValue];
}

/** What a node has but its value. */
export function membersOf(node: JsonValue): JsonObject {
  if (!isObject(node)) return {};
  const { value: _value, attributes, children, ...own } = node;
  return { ...own, ...(isObject(attributes) ? attributes : {}), ...(isObject(children) ? children : {}) };
}

/** The value of a node; undefined for one without. */
export function valueIn(node: JsonValue): string | undefined {
  const value = isObject(node) ? node.value : node;
  return typeof value === 'string' ? value : undefined;
}

/** The text of a node that has nothing but a text: words of it that look like attributes are put back behind it. */
function textOf(node: JsonValue): string {
  const value = valueIn(node);
  const words = Object.entries(membersOf(node)).map(([name, text]) => `${name}=${String(text)}`);
  return (value === undefined ? words : [value, ...words]).join(' ');
}

/** Members of a contact that are numbers in 3.x. */
const numbers: ReadonlySet<string> = new Set(['Expires', 'Cseq', 'Flags', 'Methods', 'Ping-Latency']);

/** An address of record as 3.x shows it. */
export function recordOf(node: JsonValue): JsonObject {
  return { AOR: valueIn(node) ?? '', Contacts: nodesOf(membersOf(node).Contact).map(contactOf) };
}

function contactOf(node: JsonValue): JsonObject {
  const members = Object.entries(membersOf(node)).map(([name, found]): [string, JsonValue] => {
    const text = textOf(found ?? '');
    return [name, numbers.has(name) && text !== '' && Number.isFinite(Number(text)) ? Number(text) : text];
  });
  return { Contact: valueIn(node) ?? '', ...Object.fromEntries(members) };
}
