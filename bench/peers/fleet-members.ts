// Members of a fleet as far as the benchmark asks them: each has a connection of its own, tells of itself, and answers the same to all.
import { connect } from '@nats-io/transport-node';

const [server = '', first = '0', count = '0', bytes = '0'] = process.argv.slice(2);

/** Milliseconds between two presences, as members have it. */
const interval = 2000;

for (let n = 0; n < Number(count); n += 1) {
  const name = `m${String(Number(first) + n).padStart(3, '0')}`;
  const connection = await connect({ servers: server, waitOnFirstConnect: true, reconnectTimeWait: 100 });
  const result = JSON.stringify({ node: name, text: 'x'.repeat(Number(bytes)) });
  const answer = `${JSON.stringify({ v: 1, node: name, readOnly: true, kind: 'result' })}\n${result}`;
  connection.subscribe(`mi.v1.bench.call.*.node.${name}`, {
    callback: (_error, message) => void message.respond(answer),
  });
  let number = 0;
  const tell = (): void => {
    number += 1;
    const told = {
      name,
      instance: name,
      number,
      version: '1',
      tags: [],
      digest: 'x',
      ready: true,
      unready: [],
      opensips: [],
    };
    connection.publish(`mi.v1.bench.presence.${name}`, JSON.stringify({ v: 1, ...told, leaving: false }));
  };
  connection.subscribe('mi.v1.bench.who', { callback: tell });
  setInterval(tell, interval);
  tell();
}
