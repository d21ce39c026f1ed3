// Members as processes of their own: one is killed, and is named as missing.
import { describe, expect } from 'vitest';
import { startDaemon, temporaryFiles } from '../support/daemon.js';
import { askFleet, Broker, here, membersOf, noBroker, resultsOf, startFleet } from '../support/fleet.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const three = ['sip-01', 'sip-02', 'sip-03'];

unless(noBroker, describe)('a fleet of processes', () => {
  test('one that is killed is missing at once, and away later', async ({ lifetime }) => {
    const broker = await Broker.start(lifetime);
    const files = Object.fromEntries(
      three.map((name) => [
        `${name}.cfg`,
        [
          'loadmodule "httpd.so"',
          'modparam("httpd", "ip", "127.0.0.1")',
          'modparam("httpd", "port", 0)',
          'loadmodule "mi_http.so"',
          'loadmodule "fleet.so"',
          `modparam("fleet", "server", "${broker.url}")`,
          `modparam("fleet", "name", "${name}")`,
          'modparam("fleet", "presence_interval", 1)',
        ].join('\n'),
      ]),
    );
    const folder = temporaryFiles(lifetime, files);
    const daemons = await Promise.all(three.map((name) => startDaemon(lifetime, ['-f', `${folder}/${name}.cfg`])));
    const { gatherer } = await startFleet(lifetime, { way: 'nats', broker, members: [], waits: false });
    await here(gatherer, three);
    const whole = await askFleet(gatherer, { command: 'version' });
    expect(Object.keys(whole.nodes)).toStrictEqual(three);
    daemons[1]?.child.kill('SIGKILL');
    await daemons[1]?.ended;
    const answer = await askFleet(gatherer, { command: 'log_level', params: [3] });
    expect(answer.missing).toStrictEqual(['sip-02']);
    expect(answer.why?.['sip-02']).toStrictEqual({ reason: 'it is not connected to the broker', outcome: 'not run' });
    expect(Object.keys(resultsOf(answer))).toStrictEqual(['sip-01', 'sip-03']);
    await here(gatherer, ['sip-01', 'sip-03']);
    const away = (await membersOf(gatherer)).find(({ state }) => state === 'away');
    expect([away?.name, away?.reason]).toStrictEqual(['sip-02', expect.stringMatching(/^not heard for \d+ s$/)]);
    expect((await askFleet(gatherer, { command: 'version' })).missing).toStrictEqual(['sip-02']);
  });
});
