// Requests as the clients of OpenSIPS' MI send them, byte for byte, and the rule by which each takes a reply for a success.

/** One request of one client. */
export interface CorpusEntry {
  readonly client: string;
  readonly head: string;
  readonly body: string;
  /** The client's own check of a reply; throws where the client would report a failure. */
  readonly accepts: (status: number, contentType: string, body: string) => unknown;
}

const host = 'Host: 127.0.0.1:8888';

/** python-opensips: any status below 400, UTF-8 JSON; an `error` object is a failure, else `result` must exist. */
function python(status: number, _contentType: string, body: string): unknown {
  const reply = JSON.parse(body);
  if (status >= 400 || typeof reply.error === 'object' || !('result' in reply))
    throw new Error(`python fails: ${body}`);
  return reply.result;
}

/** OpenSIPS Control Panel: status below 300; the mere presence of `error` is a failure. */
function controlPanel(status: number, _contentType: string, body: string): unknown {
  const reply = JSON.parse(body);
  if (status >= 300 || 'error' in reply) throw new Error(`control panel fails: ${body}`);
  return reply.result;
}

/** opensips_exporter: an object of `group:name` and numbers. */
function exporter(status: number, contentType: string, body: string): unknown {
  const { result } = JSON.parse(body);
  const sound = Object.entries(result).every(([name, value]) => name.includes(':') && typeof value === 'number');
  if (status !== 200 || !contentType.startsWith('application/json') || !sound)
    throw new Error(`exporter fails: ${body}`);
  return result;
}

/** The Ruby gem takes the status 200 and no other. */
function ruby(status: number, _contentType: string, body: string): unknown {
  const reply = JSON.parse(body);
  if (status !== 200 || 'error' in reply) throw new Error(`ruby fails: ${body}`);
  return reply.result;
}

function pythonRequest(body: string): CorpusEntry {
  const lines = ['POST /mi HTTP/1.1', 'Accept-Encoding: identity', `Content-Length: ${body.length}`, host];
  const more = ['User-Agent: Python-urllib/3.11', 'Content-Type: application/json', 'Connection: close'];
  return { client: 'opensips-cli', head: `${[...lines, ...more].join('\r\n')}\r\n\r\n`, body, accepts: python };
}

function request(client: string, lines: readonly string[], body: string, accepts: CorpusEntry['accepts']): CorpusEntry {
  const head = `${['POST /mi HTTP/1.1', host, ...lines, `Content-Length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n`;
  return { client, head, body, accepts };
}

/** A probe of kubelet: a GET, of which the status alone counts. */
function probe(path: string): CorpusEntry {
  const lines = [`GET ${path} HTTP/1.1`, host, 'User-Agent: kube-probe/1.29', 'Accept: */*', 'Connection: close'];
  const accepts = (status: number): unknown => {
    if (status < 200 || status >= 400) throw new Error(`kubelet fails: ${status}`);
    return status;
  };
  return { client: `Kubernetes ${path}`, head: `${lines.join('\r\n')}\r\n\r\n`, body: '', accepts };
}

export const corpus: readonly CorpusEntry[] = [
  pythonRequest('{"jsonrpc": "2.0", "id": "20379", "method": "which", "params": {}}'),
  pythonRequest('{"jsonrpc": "2.0", "id": "101", "method": "uptime", "params": {}}'),
  pythonRequest('{"jsonrpc": "2.0", "id": "8854", "method": "get_statistics", "params": [["core:"]]}'),
  pythonRequest(
    '{"jsonrpc": "2.0", "id": "8855", "method": "get_statistics", "params": {"statistics": ["core:", "pending"]}}',
  ),
  pythonRequest('{"jsonrpc": "2.0", "id": "12", "method": "which", "params": {"command": "log_level"}}'),
  pythonRequest('{"jsonrpc": "2.0", "id": "0", "method": "log_level", "params": ["3"]}'),
  request(
    'OpenSIPS Control Panel',
    ['Accept: */*', 'Content-Type: application/json'],
    '{"jsonrpc":"2.0","id":1,"method":"get_statistics","params":{"statistics":["all"]}}',
    controlPanel,
  ),
  request(
    'OpenSIPS Control Panel',
    ['Accept: */*', 'Content-Type: application/json'],
    '{"jsonrpc":"2.0","id":1,"method":"ps"}',
    controlPanel,
  ),
  request(
    'opensips_exporter',
    ['User-Agent: Go-http-client/1.1', 'Content-Type: application/json', 'Accept-Encoding: gzip'],
    '{"jsonrpc":"2.0","method":"get_statistics","params":[["all"]],"id":7}\n',
    exporter,
  ),
  request(
    'opensips-mi, Ruby',
    ['Accept: */*', 'User-Agent: Ruby', 'Content-Type: application/json', 'Connection: close'],
    '{"jsonrpc":"2.0","id":"8a4b","method":"uptime"}',
    ruby,
  ),
  request(
    'opensips-mi-client, axios, older',
    [
      'Accept: application/json, text/plain, */*',
      'Content-Type: application/json;charset=utf-8',
      'User-Agent: axios/0.21.1',
    ],
    '{"jsonrpc":"2.0","method":"version","id":31999}',
    ruby,
  ),
  request(
    'opensips-mi-client, axios',
    [
      'Accept: application/json, text/plain, */*',
      'Content-Type: application/json',
      'User-Agent: axios/1.7.2',
      'Accept-Encoding: gzip, compress, deflate, br',
      'Connection: keep-alive',
    ],
    '{"jsonrpc":"2.0","method":"which","params":["get_statistics"],"id":5}',
    ruby,
  ),
  request(
    'curl',
    ['User-Agent: curl/8.5.0', 'Accept: */*', 'Content-Type: application/json'],
    '{"jsonrpc":"2.0","method":"httpd_list_root_path","id":1}',
    ruby,
  ),
  request(
    'Grafana, JSON data source',
    ['User-Agent: Grafana/10.4.1', 'Content-Type: application/json', 'Accept-Encoding: gzip'],
    '{"jsonrpc":"2.0","method":"get_statistics","params":{"statistics":["core:","httpd:"]},"id":"A"}',
    exporter,
  ),
  probe('/healthz'),
  probe('/readyz'),
];
