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
  ['mi-httpd', 'stopped as asked; with `-c`: the configuration is good', '0'],
  ['mi-httpd', 'could not start, did not stop cleanly, was told to stop twice, or an exception was not caught', '1'],
  ['mi-httpd', 'the configuration has errors', '255'],
  ['mi-httpd load', 'every contact was taken', '0'],
  ['mi-httpd load', 'lines were rejected, or the load ended early', '1'],
  ['mi-httpd dump, passwd, token', 'done', '0'],
  ['mi-httpd dump, passwd, token', 'failed, for the reason on standard error', '1'],
];

/** What a line tells whose text comes from elsewhere. */
const told = {
  'engine-replaced': 'why uWebSockets.js does not load, and that the HTTP server of Node.js serves in its place',
  'import-passed-over': 'an `import_file` that is passed over, with its place and why',
  'module-notice': 'what `check` of a module of your own returns',
  'process-warning': 'a warning of Node.js, or of a module of your own',
};

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

/** Levels of the log, the gravest first. */
const levels = ['error', 'warn', 'info', 'debug'];

const intro = `Every error and log line that stands in the source, with its code, text and status. Parts that vary stand in braces: \`{name}\`.

Not listed are texts that come from elsewhere and only stand inside these: reasons of the operating system, Node.js, OpenSSL and the
parsers of JSON, texts of modules of your own, and those of the addon for a request that is no JSON-RPC (-32700 and -32600 tell the
place). A configuration error has its place in front, \`FILE:LINE:COL:\`.

Contents: [codes of JSON-RPC](#codes-of-json-rpc) · [errors of commands](#errors-of-commands) · [HTTP refusals](#http-refusals) ·
[log lines](#log-lines) · [configuration errors](#configuration-errors) ·
[errors of functions and of the start](#errors-of-functions-and-of-the-start) · [exit statuses](#exit-statuses)`;

/** @throws Error for a floor or code that this page does not explain */
export function errorsPage({ codes, MiError, refusalBody }) {
  const found = collectMessages();
  return page(
    'Errors',
    intro,
    protocolSection(codes, MiError, found),
    commandSection(found),
    refusalSection(refusalBody, found),
    logSection(found),
    textSection(
      'Configuration errors',
      '`mi-httpd` and `mi-httpd -c` print these on standard error; exit status 255.',
      found.configErrors,
    ),
    thrownSection(found),
    `## Exit statuses\n\n${codeTable(exitStatuses)}`,
  );
}

/** The one form of all tables here. @param rows lists of a code, a text and a status */
function codeTable(rows) {
  return table([['code', 'text', 'status'], ...rows]);
}

function protocolSection(codes, MiError, { commandErrors }) {
  const rows = Object.entries(codes).map(([name, code]) => {
    if (protocolCodes[name] === undefined) throw new Error(`code ${name} is not explained in scripts/docs/errors.mjs`);
    const [when, status] = protocolCodes[name];
    return [String(code), `${said(new MiError(code).message)}: ${when}`, status];
  });
  const texts = Object.entries(codes).flatMap(([name, code]) => {
    const ofCode = commandErrors.filter((one) => one.code === name && isSaid(one.data));
    return ofCode.map(({ data }) => [String(code), said(data), protocolCodes[name][1]]);
  });
  return `## Codes of JSON-RPC

The \`error\` of a reply has \`code\`, \`message\` and mostly \`data\`. The status is that of HTTP.

${codeTable(rows)}

Texts in \`data\`:

${codeTable(texts)}`;
}

function commandSection({ commandErrors }) {
  const own = commandErrors.filter(({ code }) => /^\d+$/.test(code));
  const rows = own.map(({ code, message, data }) => [
    code,
    isSaid(data) ? `${said(message)}, ${said(data)}` : said(message),
    '200',
  ]);
  return `## Errors of commands

The text is the \`message\`, with \`data\` behind it where there is any. Code and message are those of OpenSIPS where it has the command.

${codeTable(rows)}`;
}

function refusalSection(refusalBody, { refusals }) {
  const codeOf = (status) => JSON.parse(refusalBody(Number(status), '')).error.code;
  const rows = refusals.map(({ status, text }) => [String(codeOf(status)), said(text), status]);
  return `## HTTP refusals

The code is that of the \`error\`, where the path speaks JSON-RPC; [HTTP](http.md#statuses) tells when each status is given. The engine
makes 400, 431 and 505 by itself, with a page of its own.

${codeTable(rows)}`;
}

function logSection({ logLines }) {
  const rows = levels.flatMap((level) =>
    logLines
      .filter((line) => line.level === level)
      .map(({ code, text }) => [`\`${code}\``, lineText(code, text), level]),
  );
  return `## Log lines

The log is on standard output: JSON lines with \`level\`, \`time\`, \`pid\`, \`code\` and \`msg\`, and \`err\` with the stack where there is one. A
terminal gets lines for people, with the code at the end. A text may change, a code does not: alert on codes. \`error\` and \`warn\` want
somebody to look.

The status is the level: \`error\` is 50 in JSON and -1 for \`log_level\`, \`warn\` 40 and 1, \`info\` 30 and 3, \`debug\` 20 and 4. What the
start logs before it listens, \`mi-httpd -c\` prints with \`note:\`. Lines of modules of your own have the code that they give, if any.

${codeTable(rows)}`;
}

/** @throws Error for a line without words of its own that is not told here, and for one told here that has some */
function lineText(code, text) {
  if (isSaid(text) === (told[code] !== undefined)) throw new Error(`the line ${code} is ${text}: see told`);
  return told[code] ?? said(text);
}

function textSection(title, text, list) {
  return `## ${title}

${text}

${table([['text'], ...list.map((one) => [said(one.text)])])}`;
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
