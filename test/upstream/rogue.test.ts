// An OpenSIPS that is broken, or not what it seems: whatever it sends, the server in front of it serves on.
import { createSocket } from 'node:dgram';
import { describe, expect } from 'vitest';
import { startFront } from '../support/front.js';
import { call } from '../support/mi-client.js';
import { test } from '../support/test.js';

const deep = '['.repeat(30_000) + ']'.repeat(30_000);

describe('an event', () => {
  test('of any bytes does no harm to the server, nor to the next one', async ({ lifetime, udpReceiver }) => {
    const { server, sip } = await startFront(lifetime, ['3.4'], { event_datagram: {} });
    const receiver = await udpReceiver();
    await call(server, 'event_subscribe', ['E_UL_CONTACT_INSERT', `udp:127.0.0.1:${receiver.port}`]);
    const [, , port] = sip[0]?.state.subscriptions[0]?.socket.split(':') ?? [];
    const socket = createSocket('udp4');
    lifetime.onTestFinished(() => {
      socket.close();
    });
    for (const event of [
      `{"jsonrpc":"2.0","method":"E_UL_CONTACT_INSERT","params":{"a":${deep}}}`,
      `{"jsonrpc":"2.0","method":"E_UL_CONTACT_INSERT","params":[${deep}]}`,
      `{"jsonrpc":"2.0","method":"E_UL_CONTACT_INSERT","params":{"":${deep}}}`,
      deep,
      '{"method":"E_UL_CONTACT_INSERT","params":{"":"',
      '{"method":"E_UL_CONTACT_INSERT","params":{"":',
      '{"method":"E_UL_CONTACT_INSERT","params":5}',
      '{"method":"__proto__","params":{"":1,"":2}}',
      '{"method":"E_UL_CONTACT_INSERT","params":{"a":1e999,"__proto__":{"b":-1e999}}}',
      '{"method":"E_NONE"}',
      '\xff\0',
      '',
      '{"method":"E_UL_CONTACT_INSERT","params":{"aor":"alice"}}',
    ]) {
      await new Promise((resolve) => socket.send(event, Number(port), '127.0.0.1', resolve));
    }
    expect(await receiver.next()).toHaveProperty('params');
    expect(await receiver.next()).toMatchObject({ params: { aor: 'alice' } });
  });
});
