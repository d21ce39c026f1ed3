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

/**
 * What an error with a code is about, and the exit status of a command that it ends: none where functions alone give it, or other
 * errors have it as their reason.
 */
const meanings = {
  'EADDRINUSE, …': ['the system refuses an address or a path; the code is that of the system', '1'],
  ERR_ABORTED: ['a call was given up: the server stops', 'none'],
  ERR_ACCOUNTS: ['users, tokens or passwords cannot be read, or contradict each other', '255'],
  ERR_ADDRESS: ['a list of addresses is wrong; the error of the parameter has it as its reason', 'none'],
  ERR_AOR: ['an address of record is wrong', 'none'],
  ERR_ARGUMENT: ['an argument of a function is wrong', 'none'],
  ERR_AUDIT_FILE: ['the audit log cannot be written', '1'],
  ERR_CACHE: ['a cache is declared wrongly, or full', '255'],
  ERR_CALL: ['a call of `MiClient`, `load` or `dump` failed', '1'],
  ERR_CERTIFICATE: ['a certificate or key cannot be served', '1'],
  ERR_COMMAND: ['a command is declared wrongly, or a list names one that is not there', '255'],
  ERR_CONFIG_FILE: ['a configuration file cannot be read', '1, 255'],
  ERR_CONTACT: ['a contact is wrong', 'none'],
  ERR_CONTACT_LIMIT: ['a contact finds no room', 'none'],
  ERR_DUMP: ['`dump` failed', '1'],
  ERR_ENGINE: ['no HTTP engine loads, or one is not what it should be', '1'],
  ERR_EVENT: ['an event is declared wrongly, or not at all', 'none'],
  ERR_EVENT_ROOM: ['too many subscribers for the limit of open files', 'none'],
  ERR_EVENT_SOCKET: ['nothing can be subscribed at this socket', 'none'],
  ERR_FILE: ['a file cannot be read; other errors have it as their reason', 'none'],
  ERR_FILES_EXHAUSTED: ['the limit of open files is reached', 'none'],
  ERR_GONE: ['the client has left, or its reply was given up', 'none'],
  ERR_INSTALLATION: ['mi-httpd is not installed as a whole', '1'],
  ERR_LISTEN: ['a socket of the service manager cannot be listened on', '1'],
  ERR_LISTENER: ['a listener is set wrongly, in the way of another one, or open to everybody', '1, 255'],
  ERR_LOAD: ['`load` ended early', '1'],
  ERR_MODULE: ['a module is missing, declared wrongly, or failed to load or start', '1, 255'],
  ERR_NODE: ['another server does not answer as it should', 'none'],
  ERR_OPTION: ['an option of the command line is wrong', '1'],
  ERR_PARAMETER: ['a parameter of a module is wrong', '1, 255'],
  ERR_PASSWORD: ['`passwd` takes no such password', '1'],
  ERR_PATTERN: ['the module of a modparam is no regular expression', '255'],
  ERR_PERSIST: ['the file that keeps records cannot be opened, read or written', '1'],
  ERR_RECORD: ['a record of a dump is wrong', 'none'],
  ERR_RECORD_LIMIT: ['a record table is full, or has too many dumps open', 'none'],
  ERR_REPLY: ['a reply is not what HTTP or its announcement asks for', 'none'],
  ERR_RESULT: ['a result cannot be printed', 'none'],
  ERR_ROOT: ['a root path is registered wrongly', '255'],
  ERR_SERVICE_MANAGER: ['a socket of the service manager fits no listener', '1'],
  ERR_STATE: ['something comes too late, or twice, in the life of a server', '1'],
  ERR_STATISTIC: ['a statistic is declared wrongly, or gives no number', 'none'],
  ERR_STATUS: ['a status is declared or set wrongly', 'none'],
  ERR_SYNTAX: ['a statement of the configuration cannot be read', '255'],
  ERR_THREAD: ['a thread that should serve has ended', '1'],
  ERR_THROWN: ['what was thrown is no error', 'none'],
  ERR_TIMEOUT: ['something took too long, such as a call: `mi_timeout` is over', '1'],
};

/** What a line tells whose text comes from elsewhere. */
const told = {
  'engine-replaced': 'why uWebSockets.js does not load, and that the HTTP server of Node.js serves in its place',
  'import-passed-over': 'an `import_file` that is passed over, with its place and why',
  'module-notice': 'what `check` of a module of your own returns',
  'process-warning': 'a warning of Node.js, or of a module of your own',
};

/** Titles of the floors of the source; their order is that of the page. */
const floors = {
  client: 'The client',
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
    configSection(found),
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

function configSection({ configErrors }) {
  const rows = configErrors.map(({ code, text }) => [`\`${code}\``, said(text), '255']);
  return `## Configuration errors

\`mi-httpd\` and \`mi-httpd -c\` print these on standard error, with the code at the end.

${codeTable(rows)}`;
}

function thrownSection({ thrown }) {
  const unknown = thrown.find(({ floor }) => floors[floor] === undefined);
  if (unknown !== undefined) throw new Error(`floor ${unknown.floor} has no title in scripts/docs/errors.mjs`);
  const sections = Object.entries(floors).flatMap(([floor, title]) => {
    const rows = thrown
      .filter((one) => one.floor === floor)
      .map(({ code, text }) => [`\`${code}\``, said(text), exitStatusOf(code)]);
    return rows.length === 0 ? [] : [`### ${title}\n\n${codeTable(rows)}`];
  });
  return `## Errors of functions and of the start

Functions of the package throw these; programs compare \`error.code\`, as with the errors of Node.js. In the log it is \`err.code\`. Some
are only seen inside other texts, as the reason, or as the reason of an \`AbortSignal\`.

Those with a status end the command with it: the text is on standard error, with the code at the end. With \`-c\` it is 255 for all that
the configuration causes.

${codeTable(Object.entries(meanings).map(([code, [meaning, status]]) => [`\`${code}\``, meaning, status]))}

${sections.join('\n\n')}`;
}

/** @throws Error for a code that {@link meanings} does not have */
function exitStatusOf(code) {
  if (meanings[code] === undefined) throw new Error(`code ${code} is not explained in scripts/docs/errors.mjs`);
  return meanings[code][1];
}

/** As code, since texts have stars and angle brackets. */
function said(text) {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}
