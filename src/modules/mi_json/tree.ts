import { isObject, type JsonObject, type JsonValue, stringify } from '../../base/json.js';

/** A member of a tree of OpenSIPS 2.x: a text, or a list of nodes that share its name. */
type Member =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly nodes: Iterable<Node> };

/** A node of a list: its value, its attributes, and what is below it. */
interface Node {
  readonly value?: string | undefined;
  readonly attributes?: readonly { readonly name: string; readonly text: string }[];
  readonly children?: Iterable<Member>;
}

/** How the objects of an array are nodes. */
interface NodeRule {
  /** Name of the list. */
  readonly name: string;
  /** The member that is the value of the node. */
  readonly value?: string;
  /** Members that are attributes; the others are children. */
  readonly attributes?: readonly string[];
  /** Arrays below it. */
  readonly lists?: ListRules;
}

/** By the name of the array in a result of OpenSIPS 3.x. */
type ListRules = Readonly<Record<string, NodeRule>>;

const processes: ListRules = {
  Processes: { name: 'Process', attributes: ['ID', 'PID', 'Log level', 'Type'] },
};

const contacts: ListRules = { Contacts: { name: 'Contact', value: 'Contact', attributes: ['Q'] } };
const aor: NodeRule = { name: 'AOR', value: 'AOR', lists: contacts };

/** Where the trees of 2.x differ from the results of 3.x by more than their printing. */
const rules: Readonly<Record<string, ListRules>> = {
  'core:ps': processes,
  'core:log_level': processes,
  'evi:list': { Events: { name: 'Event', value: 'name', attributes: ['id'] } },
  'evi:subscribers': {
    Events: {
      name: 'Event',
      value: 'name',
      attributes: ['id'],
      lists: { Subscribers: { name: 'Subscriber', attributes: ['socket', 'expire', 'ttl'] } },
    },
  },
  'httpd:list_root_path': { '': { name: 'http_root', value: 'http_root', attributes: ['module'] } },
  'usrloc:dump': {
    Domains: { name: 'Domain', value: 'name', attributes: ['hash_size'], lists: { AORs: aor } },
  },
};

/**
 * The tree that a result of 3.x was in 2.x. A plain `OK` is no tree: it has no members. Members and nodes are made as they
 * are asked for, since a result may be long.
 *
 * @param command full name of the command
 */
export function treeOf(command: string, result: JsonValue): Iterable<Member> {
  if (result === 'OK') return [];
  if (command === 'usrloc:show_contact' && isObject(result)) return [{ name: aor.name, nodes: [node(aor, result)] }];
  const lists = rules[command] ?? {};
  if (isObject(result)) return members(result, lists);
  const items = Array.isArray(result) ? (result as readonly JsonValue[]) : [result];
  return items.length === 0 ? [] : [list('', items, lists)];
}

function* members(object: JsonObject, lists: ListRules, without: readonly string[] = []): Generator<Member> {
  for (const [name, value = null] of Object.entries(object)) {
    if (without.includes(name)) continue;
    if (Array.isArray(value)) {
      if (value.length > 0) yield list(name, value as readonly JsonValue[], lists);
    } else {
      yield isObject(value) ? { name, nodes: [{ children: members(value, lists) }] } : { name, text: text(value) };
    }
  }
}

function list(name: string, items: readonly JsonValue[], lists: ListRules): Member {
  const rule = Object.hasOwn(lists, name) ? lists[name] : undefined;
  return { name: rule?.name ?? name, nodes: nodes(rule ?? { name }, items) };
}

function* nodes(rule: NodeRule, items: readonly JsonValue[]): Generator<Node> {
  for (const item of items) {
    if (isObject(item)) yield node(rule, item);
    else if (Array.isArray(item)) yield { children: [list('', item as readonly JsonValue[], {})] };
    else yield { value: text(item) };
  }
}

function node({ value, attributes = [], lists = {} }: NodeRule, object: JsonObject): Node {
  const used = value === undefined ? attributes : [value, ...attributes];
  return {
    value: value === undefined ? undefined : text(object[value] ?? null),
    attributes: attributes
      .filter((name) => object[name] !== undefined)
      .map((name) => ({ name, text: text(object[name] ?? null) })),
    children: members(object, lists, used),
  };
}

function text(value: JsonValue): string {
  if (value === null) return '';
  return typeof value === 'object' ? stringify(value) : String(value);
}

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
