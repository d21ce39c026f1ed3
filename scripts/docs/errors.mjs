// docs/reference/errors.md, from the messages that stand in the source.
import { page, table } from './markdown.mjs';
import { collectMessages, isSaid } from './messages.mjs';

/** When a code of the protocol is given, and the HTTP status of a refusal that carries it. */
const protocolCodes = {
  parseError: ['the body is no JSON', '200'],
  invalidRequest: [
    'the JSON is no request, a batch is too long, or the request is refused by HTTP',
    '200, or the status of the refusal',
  ],
  methodNotFound: ['there is no such command; `data` names the nearest ones, or the module that is not loaded', '200'],
  invalidParams: ['the command takes other parameters; `data` names those that it accepts', '200'],
  internalError: ['a handler of a root failed; the log tells why', '500'],
  serverError: [
    'a command failed without an error of its own, gave no result in time, or cannot begin now',
    '200, 503, 504',
  ],
  methodAmbiguous: ['several modules have a command of this name; `data` lists them', '200'],
  permissionDenied: ['the caller lacks the level, or the command is off; `data` tells which', '200, on pages 403'],
  rateLimited: ['more calls a second than the limit', '429, in a batch 200'],
};

const exitStatuses = [
  ['mi-httpd', '0', 'stopped as asked; with `-c`: the configuration is good'],
  ['mi-httpd', '1', 'could not start, did not stop cleanly, was told to stop twice, or an exception was not caught'],
  ['mi-httpd', '255', 'the configuration has errors'],
  ['mi-httpd load', '0', 'every contact was taken'],
  ['mi-httpd load', '1', 'lines were rejected, or the load ended early'],
  ['mi-httpd dump, passwd, token', '0', 'done'],
  ['mi-httpd dump, passwd, token', '1', 'failed, for the reason on standard error'],
];

/** Titles of the floors of the source; their order is that of the page. */
const floors = {
  cli: 'The command line',
  '': 'The server and its modules',
  http: 'Listeners, TLS, logins, root paths',
  mi: 'Commands, results, events',
  modules: 'Modules',
  config: 'Patterns in configuration files',
  base: 'Values and files',
  gateway: 'Calls',
  web: 'Pages',
  native: 'The addon',
};

/** Numbers of the levels in the JSON lines of the log, and of the MI command log_level. */
const levels = { debug: ['20', '4'], info: ['30', '3'], warn: ['40', '1'], error: ['50', '-1'] };

const intro = `Every error and log line that stands in the source, with its code or status. Parts that vary stand in braces: \`{name}\`.

Not listed are texts that come from elsewhere and only stand inside these: reasons of the operating system, Node.js, OpenSSL and the
parsers of JSON, texts of modules of your own, and those of the addon for a request that is no JSON-RPC (-32700 and -32600 tell the
place). A configuration error has its place in front, \`FILE:LINE:COL:\`.

Contents: [codes of JSON-RPC](#codes-of-json-rpc) · [errors of commands](#errors-of-commands) · [HTTP refusals](#http-refusals) ·
[log lines](#log-lines) · [notes](#notes) · [configuration errors](#configuration-errors) ·
[errors of functions and of the start](#errors-of-functions-and-of-the-start) · [exit statuses](#exit-statuses)`;

/** @throws Error for a floor or code that this page does not explain */
export function errorsPage({ codes, MiError }) {
  const found = collectMessages();
  return page(
    'Errors',
    intro,
    protocolSection(codes, MiError, found),
    commandSection(found),
    refusalSection(found),
    logSection(found),
    textSection('Notes', 'The start logs these as warnings, and `mi-httpd -c` prints them with `note:`.', found.notes),
    textSection(
      'Configuration errors',
      '`mi-httpd` and `mi-httpd -c` print these on standard error; exit status 255.',
      found.configErrors,
    ),
    thrownSection(found),
    `## Exit statuses\n\n${table([['command', 'status', 'when'], ...exitStatuses])}`,
  );
}

function protocolSection(codes, MiError, { commandErrors }) {
  const rows = Object.entries(codes).map(([name, code]) => {
    if (protocolCodes[name] === undefined) throw new Error(`code ${name} is not explained in scripts/docs/errors.mjs`);
    const [when, status] = protocolCodes[name];
    return [String(code), new MiError(code).message, status, when];
  });
  const texts = Object.entries(codes).flatMap(([name, code]) =>
    commandErrors.filter((one) => one.code === name && isSaid(one.data)).map(({ data }) => [String(code), said(data)]),
  );
  return `## Codes of JSON-RPC

The \`error\` of a reply has \`code\`, \`message\` and mostly \`data\`. A refusal by HTTP carries one too: -32004 with 429, -32603 with
500, -32000 with 503 and 504, else -32600.

${table([['code', 'message', 'HTTP status', 'when'], ...rows])}

Texts in \`data\`:

${table([['code', 'data'], ...texts])}`;
}

function commandSection({ commandErrors }) {
  const own = commandErrors.filter(({ code }) => /^\d+$/.test(code));
  const rows = own.map(({ code, message, data }) => [code, said(message), isSaid(data) ? said(data) : '']);
  return `## Errors of commands

HTTP status 200. Code and message are those of OpenSIPS where it has the command.

${table([['code', 'message', 'data'], ...rows])}`;
}

function refusalSection({ refusals }) {
  const rows = refusals.map(({ status, text }) => [status, said(text)]);
  return `## HTTP refusals

[HTTP](http.md#statuses) tells when each status is given. The engine makes 400, 431 and 505 by itself, with a page of its own.

${table([['status', 'text'], ...rows])}`;
}

function logSection({ logLines }) {
  const order = Object.keys(levels).reverse();
  const rows = order.flatMap((name) =>
    logLines.filter(({ level }) => level === name).map(({ text }) => [name, ...levels[name], said(text)]),
  );
  return `## Log lines

The log is on standard output: JSON lines with \`level\`, \`time\`, \`pid\` and \`msg\`, and \`err\` with the stack where there is one. A
terminal gets lines for people. \`error\` and \`warn\` want somebody to look.

${table([['level', 'in JSON', '`log_level`', 'text'], ...rows])}`;
}

function textSection(title, text, list) {
  return `## ${title}\n\n${text}\n\n${table([['text'], ...list.map((one) => [said(one.text)])])}`;
}

function thrownSection({ thrown }) {
  const unknown = thrown.find(({ floor }) => floors[floor] === undefined);
  if (unknown !== undefined) throw new Error(`floor ${unknown.floor} has no title in scripts/docs/errors.mjs`);
  const sections = Object.entries(floors).flatMap(([floor, title]) => {
    const rows = thrown.filter((one) => one.floor === floor).map(({ name, text }) => [`\`${name}\``, said(text)]);
    return rows.length === 0 ? [] : [`### ${title}\n\n${table([['class', 'text'], ...rows])}`];
  });
  return `## Errors of functions and of the start

Functions of the package throw these. At the start, and with \`-c\`, they end the command: the text is on standard error, with exit
status 255 where the configuration is wrong, else 1. Some are only seen inside other texts, as the reason.

${sections.join('\n\n')}`;
}

/** As code, since texts have stars and angle brackets. */
function said(text) {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}
