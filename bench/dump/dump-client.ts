// Reads replies as fast as it can, for bench/dump.bench.ts: `PORT COUNT` prints one line of JSON for each reply,
// {bytes, firstByteMs, totalMs}; COUNT 0 goes on until it is killed and prints nothing.
import { connect } from 'node:net';

const [port = '0', count = '1'] = process.argv.slice(2);
const body = '{"jsonrpc":"2.0","method":"ul_dump","id":1}';
const request = `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const memory = Buffer.alloc(1 << 20);

for (let round = 0; count === '0' || round < Number(count); round++) {
  const reply = await read();
  if (count !== '0') process.stdout.write(`${JSON.stringify(reply)}\n`);
}

function read(): Promise<{ bytes: number; firstByteMs: number; totalMs: number }> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let asked = 0;
    let first = 0;
    const socket = connect({
      host: '127.0.0.1',
      port: Number(port),
      noDelay: true,
      // One buffer for all that comes: the client must not be what is measured.
      onread: {
        buffer: memory,
        callback: (length) => {
          if (bytes === 0) first = performance.now();
          bytes += length;
          return true;
        },
      },
    });
    socket.on('connect', () => {
      asked = performance.now();
      socket.write(request);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve({ bytes, firstByteMs: first - asked, totalMs: performance.now() - asked }));
  });
}
