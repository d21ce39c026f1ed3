import { expect, test } from 'vitest';
import { AllowedHosts, allowedHostsProblem } from './allowed-hosts.js';

test('names that no Host header can have are rejected, each with what to give', () => {
  for (const [list, reason] of [
    ['https://mi.example.org', /is a URL: give the name alone/],
    ['mi.example.org:8888', /has a port/],
    ['ok.example.org, *.example.org', /"\*\.example\.org" has a "\*"/],
    ['*', /has a "\*"/],
    ['mi.example.org/mi', /no name of a host/],
    ['bücher.example', /not ASCII/],
    ['-x.example.org', /no name of a host/],
    ['a..b', /no name of a host/],
    [`${'a'.repeat(64)}.org`, /no name of a host/],
    ['user@mi.example.org', /no name of a host/],
    ['mi.example.org;b', /no name of a host/],
    [' , ', /is no name|it is empty|give names/],
    ['', /it is empty/],
  ] as const) {
    expect(allowedHostsProblem(list) ?? '', list).toMatch(reason);
  }
});

test('names that are accepted are ones that match', () => {
  for (const name of [
    'mi.example.org',
    'MI.Example.ORG',
    'mi',
    'a_b.local',
    'xn--bcher-kva.example',
    'mi.example.org.',
  ]) {
    expect(allowedHostsProblem(name), name).toBe(undefined);
    const hosts = new AllowedHosts(name);
    for (const host of [name, name.toLowerCase(), `${name}:8888`])
      expect(hosts.hostRefusal(host), host).toBe(undefined);
  }
  expect(allowedHostsProblem('127.0.0.1, ::1 [::1]\nlocalhost,')).toBe(undefined);
});
