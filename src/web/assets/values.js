/** A number that JavaScript would round, kept as it was written. */
export class ExactNumber {
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }
}

/** Parses JSON without rounding numbers, where the browser tells their source text. */
export function parseExactly(text) {
  if (!/\d{16}|\d[eE]|\.\d{15}/.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value, context) => {
    const source = typeof value === 'number' ? context?.source : undefined;
    return source === undefined || source === String(value) ? value : new ExactNumber(source);
  });
}

/**
 * The beginning of a JSON text made complete: what follows its last whole array item is dropped, and what is open
 * there is closed. Undefined if it holds no array.
 */
export function completed(text) {
  const closers = [];
  let end = 0;
  let closing = '';
  let inString = false;
  const itemEndsAt = (at) => {
    if (closers.at(-1) !== ']') return;
    end = at;
    closing = closers.toReversed().join('');
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at++;
      else if (character === '"') inString = false;
    } else if (character === '"') {
      inString = true;
    } else if (character === '{') {
      closers.push('}');
    } else if (character === '[') {
      closers.push(']');
      itemEndsAt(at + 1);
    } else if (character === '}' || character === ']') {
      closers.pop();
      itemEndsAt(at + 1);
    } else if (character === ',') {
      itemEndsAt(at);
    }
  }
  return end === 0 ? undefined : text.slice(0, end) + closing;
}

export function isRecord(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

export function isContainer(value) {
  return Array.isArray(value) || isRecord(value);
}

/** JSON text of any value, on one line. */
export function compact(value) {
  if (value instanceof ExactNumber) return value.source;
  if (Array.isArray(value)) return `[${value.map(compact).join(', ')}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, member]) => `${JSON.stringify(name)}: ${compact(member)}`)
    .join(', ')}}`;
}

/**
 * The rows of a table, if the value is a list of records or holds one: `{"Processes":[{...}]}`. Lists inside of the
 * records are unrolled as long as there is exactly one, so a dump of domains has one row for each contact. An object
 * of plain values has a row for each member.
 */
export function recordsOf(value) {
  if (isRecord(value)) {
    const lists = Object.values(value).filter(isList);
    if (lists.length === 1) return unroll([value]);
    const members = Object.entries(value);
    const plain = members.length > 1 && members.every(([, member]) => !isContainer(member));
    return plain ? members.map(([name, member]) => ({ Name: name, Value: member })) : undefined;
  }
  return isList(value) ? unroll(value) : undefined;
}

/**
 * What can be shown of a value as tables, each with its title if there are several: its records, each of several lists of
 * records, or a list of plain values. One without records is told by a sentence. Undefined where nothing is a table.
 */
export function tablesOf(value) {
  if (Array.isArray(value) && value.length > 0 && !value.some(isContainer)) {
    return [{ records: value.map((one) => ({ Value: one })) }];
  }
  const members = isRecord(value) ? Object.entries(value) : [];
  const containers = members.filter(([, member]) => isContainer(member));
  const isEmpty = ([, member]) => Array.isArray(member) && member.length === 0;
  const isNothing = Array.isArray(value) ? value.length === 0 : isRecord(value) && members.length === 0;
  if (isNothing) return [{ records: [] }];
  if (containers.length > 0 && containers.every(isEmpty)) {
    return containers.map(([title]) => ({ title, records: [] }));
  }
  const lists = members.filter(([, member]) => isList(member));
  if (lists.length > 1) {
    const others = members.filter(([, member]) => !isContainer(member));
    const first =
      others.length > 0 ? [{ records: others.map(([name, member]) => ({ Name: name, Value: member })) }] : [];
    const empty = containers.filter(isEmpty).map(([title]) => ({ title, records: [] }));
    return [...first, ...lists.map(([title, list]) => ({ title, records: unroll(list) })), ...empty];
  }
  const records = recordsOf(value);
  return records && [{ records }];
}

function isList(value) {
  return Array.isArray(value) && value.length > 0 && value.every(isRecord);
}

function unroll(records) {
  const names = new Set();
  for (const record of records) for (const name in record) if (isList(record[name])) names.add(name);
  const [list] = names;
  if (names.size !== 1) return records;
  const rows = records.flatMap((record) => {
    const { [list]: inner, ...outer } = record;
    if (!isList(inner)) return [outer];
    return inner.map((row) => {
      const named = Object.entries(row).map(([name, member]) => [
        Object.hasOwn(outer, name) ? `${list}.${name}` : name,
        member,
      ]);
      return Object.fromEntries([...Object.entries(outer), ...named]);
    });
  });
  return unroll(rows);
}
