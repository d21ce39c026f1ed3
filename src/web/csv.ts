/** An address of record as `usrloc:find` gives it. */
export interface FoundAor {
  readonly table: string;
  readonly AOR: string;
  readonly Contacts: readonly ShownContact[];
}

/** Members of a contact, as dumps name them. */
export type ShownContact = Readonly<Record<string, string | number | undefined>>;

const members = [
  'Contact',
  'ContactID',
  'Expires',
  'Q',
  'Callid',
  'Cseq',
  'User-agent',
  'Received',
  'Path',
  'State',
  'Flags',
  'Cflags',
  'Socket',
  'Methods',
  'Attr',
  'SIP_instance',
  'Ping-Latency',
  'KV-Store',
];

/** The first line of contacts as CSV (RFC 4180). */
export const csvHead = `${['table', 'AOR', ...members].join(',')}\r\n`;

/** Contacts as lines of CSV, one for each. */
export function csvRows(records: readonly FoundAor[]): string {
  return records
    .flatMap(({ table, AOR, Contacts }) =>
      Contacts.map((contact) => [table, AOR, ...members.map((name) => contact[name])].map(csvCell).join(',')),
    )
    .map((line) => `${line}\r\n`)
    .join('');
}

/** Characters with which a text in a cell is a formula to spreadsheets. */
const formula = new Set(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);

/**
 * A cell in quotes. Contacts are what devices say of themselves: one that would begin a formula gets an apostrophe in front, which
 * spreadsheets take for the sign of a text.
 */
function csvCell(value: string | number | undefined): string {
  if (value === undefined || typeof value === 'number') return String(value ?? '');
  const text = formula.has(value.charAt(0)) ? `'${value}` : value;
  return `"${text.replaceAll('"', '""')}"`;
}
