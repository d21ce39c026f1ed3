import {
  kindOf,
  type RecordedRequest,
  type RecordedResponse,
  type Recording,
  type Repeated,
  spell,
} from './recording.js';

/** Ids have as many digits as OpenSIPS keeps. */
const firstId = 700_000_000;

/** Where a limit is not the subject, and not near: the least that is recorded is 1 KiB. */
const smallBody = 600;

/** Names and values that mean nothing to a server, and could as well have been others. */
const chosen =
  /\b(?:alice2?|bob|carol|dora|nobody|user\d\d|custom_stat|no_such_\w+|nogroup|nomod|nope|zzz?|k1|kh|caller)\b/g;

/** Commands that 4.0 knows by their full names too, as the name in 3.x, or alone where it is the same in the module. */
const commands: Readonly<Record<string, string>> = {
  core: 'uptime version pwd arg ps which help log_level log_level_filter log_mute_state xlog_level',
  statistics: 'get_statistics=get list_statistics=list reset_statistics=reset reset_all_statistics=reset_all',
  status_report: 'sr_get_status=get sr_list_status=status sr_list_reports=reports sr_list_identifiers=identifiers',
  evi: 'event_subscribe=subscribe events_list=list subscribers_list=subscribers raise_event=raise',
  httpd: 'httpd_list_root_path=list_root_path',
  usrloc:
    'ul_rm=rm ul_rm_contact=rm_contact ul_dump=dump ul_flush=flush ul_add=add ul_show_contact=show_contact ul_sync=sync',
  dialog: 'dlg_list=list dlg_end_dlg=end_dlg profile_get_size profile_list_dlgs',
  cfgutils: 'shv_get rand_get_prob',
};

const fullNames: ReadonlyMap<string, string> = new Map(
  Object.entries(commands).flatMap(([module, names]) =>
    names.split(' ').map((name): [string, string] => {
      const [flat = '', local = flat] = name.split('=');
      return [flat, `${module}:${local}`];
    }),
  ),
);

/** How a text of a request or a reply is changed. */
type Change = (text: string) => string;

/**
 * Recordings as others would have made them: other names of cases, headers and commands, other ids, longer values, other
 * sizes.
 * The kind of each exchange stays; a row that knows it by its name or by its bytes misses it.
 */
export function renamed(recordings: readonly Recording[]): readonly Recording[] {
  return recordings.map((recording, index) => {
    // A request that was served as it is has room for less, one that was not has none for more.
    const [response] = recording.responses;
    const growth = response !== undefined && 'status' in response && response.status === 200 ? -1 : 1;
    const { id } = kindOf(recording);
    const otherId = index % 3 === 0 ? `"unseen-${firstId + index}"` : String(firstId + index);
    const values: Change = (text) =>
      text
        .replace(chosen, (value) => `${value}_as_others_would_have_called_it`)
        .replace(/(.)\1{199,}/g, (run, one: string) => one.repeat(resized(run.length, run.length, growth)));
    const ids: Change = (text) =>
      /^(1|"\d+")$/.test(id) ? text.replace(new RegExp(`("id":\\s*)${id}(?=\\s*[,}])`), `$1${otherId}`) : text;
    const methods: Change = (text) =>
      recording.version === '4.0' && index % 2 === 0
        ? text.replace(/(?<="method":\s*")\w+(?=")/g, (name) => fullNames.get(name) ?? name)
        : text;
    const headers: Change = (text) => (index % 2 === 0 ? text.toLowerCase() : text.toUpperCase());
    const request = otherRequest(recording.request, (text) => methods(ids(values(text))), headers, growth);
    const isIdChanged = JSON.stringify(request).includes(String(firstId + index));
    const responses = recording.responses.map((one) =>
      otherResponse(one, values, isIdChanged ? [id, otherId] : undefined),
    );
    return { ...recording, name: `unseen.${index}`, request, responses };
  });
}

function resized(times: number, least: number, growth: number): number {
  return times > 1 ? times + growth * Math.floor(least / 16) : times;
}

/** The pieces that are repeated, all by as much more or less: an opened one is closed. */
function otherPieces(pieces: Exclude<Repeated, string>, growth: number): Exclude<Repeated, string> {
  const least = Math.min(...pieces.map(([, times]) => times).filter((times) => times > 1));
  return pieces.map(([text, times]) => [text, resized(times, least, growth)]);
}

function otherRequest(request: RecordedRequest, values: Change, headers: Change, growth: number): RecordedRequest {
  if ('raw' in request) return { raw: otherMessage(spell(request.raw), values, headers) };
  if ('segments' in request) {
    const texts = request.segments.map(spell);
    const isEachWhole = texts.every((text) => /^[A-Z]+ .*\r\n\r\n./s.test(text));
    if (isEachWhole) return { segments: texts.map((text) => otherMessage(text, values, headers)) };
    return { segments: otherMessage(texts.join(cut), values, headers).split(cut) };
  }
  const { path, body, bodyParts } = request;
  const named = Object.entries(request.headers ?? {}).map(([name, value]) => [headers(name), value]);
  return {
    ...request,
    path: values(path),
    headers: Object.fromEntries(named),
    ...(body === undefined ? {} : { body: enlarged(values(body)) }),
    ...(bodyParts === undefined ? {} : { bodyParts: otherParts(bodyParts, values, growth) }),
  };
}

function otherParts(parts: Repeated, values: Change, growth: number): Repeated {
  if (typeof parts === 'string') return values(parts);
  return otherPieces(parts, growth).map(([text, times]) => [values(text), times]);
}

/** Stands where one segment ends and the next one begins. */
const cut = '\u0001';

/** A request as it is on the wire, and the bytes behind it: the length that is announced grows with the body. */
function otherMessage(text: string, values: Change, headers: Change): string {
  const end = text.indexOf('\r\n\r\n') + 4;
  if (end < 4 || !/^[A-Z]+ /.test(text)) return text;
  const head = values(text.slice(0, end)).replace(/(?<=\n)[^:\r\n]+(?=:)/g, headers);
  const rest = text.slice(end);
  if (/\nTransfer-Encoding: chunked\r/i.test(head)) return lengthened(head, otherChunks(rest, values), rest);
  const announced = Number(/\nContent-Length: (\d+)\r/i.exec(head)?.[1]);
  if (Number.isNaN(announced)) return head + (isMessage(rest) ? otherMessage(rest, values, headers) : values(rest));
  const isAll = rest.replaceAll(cut, '').length <= announced;
  const body = isAll ? rest : rest.slice(0, announced);
  const behind = rest.slice(body.length);
  return lengthened(head, values(body), body) + (isMessage(behind) ? otherMessage(behind, values, headers) : behind);
}

function isMessage(text: string): boolean {
  return /^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(text);
}

function lengthened(head: string, body: string, before: string): string {
  const more = body.length - before.length;
  return head.replace(/(?<=\nContent-Length: )\d+/gi, (length) => String(Number(length) + more)) + body;
}

function otherChunks(text: string, values: Change): string {
  return text.replace(/([0-9a-f]+)\r\n([^\r\n]+)\r\n/g, (all, size: string, chunk: string) => {
    if (Number.parseInt(size, 16) !== chunk.length) return all;
    const other = values(chunk);
    return `${other.length.toString(16)}\r\n${other}\r\n`;
  });
}

/** A small body of JSON with blanks within, which mean nothing. */
function enlarged(body: string): string {
  if (body.length > smallBody || !body.startsWith('{"jsonrpc"')) return body;
  return `{${' '.repeat(300)}${body.slice(1)}`;
}

function otherResponse(
  response: RecordedResponse,
  values: Change,
  ids: readonly [from: string, to: string] | undefined,
): RecordedResponse {
  if ('none' in response || response.body === undefined) return response;
  const body = values(response.body);
  if (ids === undefined) return { ...response, body };
  const [from, to] = ids;
  return { ...response, body: body.replace(new RegExp(`("id":\\s*)${from}(?=\\s*\\}$)`), `$1${to}`) };
}
