// node scripts/audit.mjs: known vulnerabilities and licences of all that the project depends on. What cannot be asked
// (no network, a registry that does not tell, a tool that is not installed) is skipped with its reason; a finding in
// what is delivered is a failure, one in tools for building and testing is told.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeliveredPackage, packages } from './delivered.mjs';
import { isAllowedLicence } from './licences.mjs';
import { root } from './steps.mjs';

/** Milliseconds that one program may take. */
const patience = 12_000;

/** The crates of the addon are delivered; those of the others build and test. */
const cargoLocks = [
  { lock: 'Cargo.lock', isDelivered: true },
  { lock: 'crate/fuzz/Cargo.lock', isDelivered: false },
  { lock: 'crate/benches/Cargo.lock', isDelivered: false },
  { lock: 'crate/models/Cargo.lock', isDelivered: false },
];

/** Licence of a package for another platform, which is not installed here and says so nowhere else. */
const elsewhere = Symbol('elsewhere');

const outcomes = await Promise.all([
  npmVulnerabilities(),
  npmLicences(),
  ...cargoLocks.map(crateVulnerabilities),
  ...cargoLocks.map(crateLicences),
]);
const failures = outcomes.flatMap(({ line, found = [] }) => {
  process.stdout.write(`audit: ${line}\n`);
  return found;
});
for (const failure of failures) process.stderr.write(`audit: FAILED, ${failure}\n`);
process.exitCode = failures.length > 0 ? 1 : 0;

async function npmVulnerabilities() {
  const what = 'vulnerabilities of npm packages';
  const args = ['audit', '--json', '--package-lock-only', '--fetch-retries=0', `--fetch-timeout=${patience - 2000}`];
  const { stdout, problem } = await ask('npm', args);
  const answer = parsed(stdout);
  if (answer?.vulnerabilities === undefined) {
    return skipped(what, answer?.message ?? answer?.error?.summary ?? problem ?? 'npm audit gave no answer');
  }
  const found = Object.values(answer.vulnerabilities).map(({ name, severity, nodes, via }) => {
    const advisory = via.find((one) => typeof one === 'object');
    const reason = advisory === undefined ? `by way of ${via.join(', ')}` : `${advisory.title} (${advisory.url})`;
    return { text: `npm package ${name}, ${severity}: ${reason}`, isDelivered: nodes.some(isDeliveredPackage) };
  });
  return judged(what, Object.keys(packages).length - 1, found);
}

function npmLicences() {
  const places = Object.keys(packages).filter((place) => place !== '' && isDeliveredPackage(place));
  const licences = places.map((place) => ({ name: place.replace(/^.*node_modules\//, ''), licence: licenceOf(place) }));
  const found = licences
    .filter(({ licence }) => licence !== elsewhere && !isAllowedLicence(licence))
    .map(({ name, licence }) => refused('npm package', name, licence));
  const absent = licences.filter(({ licence }) => licence === elsewhere).length;
  const what = 'licences of npm packages that are delivered';
  const checked = judged(what, places.length - absent, found);
  return absent === 0 ? checked : { ...checked, line: `${checked.line}; ${absent} for other platforms not looked at` };
}

/** The licence that an installed package names; else that of the lock file, which does not know all. */
function licenceOf(place) {
  const file = join(root, place, 'package.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')).license;
  const { license, optional } = packages[place];
  return license === undefined && optional === true ? elsewhere : license;
}

async function crateVulnerabilities({ lock, isDelivered }) {
  const what = `vulnerabilities of crates in ${lock}`;
  const { stdout, problem } = await ask('cargo', ['audit', '--json', '--file', lock]);
  const answer = parsed(stdout);
  if (answer?.vulnerabilities === undefined) {
    const isMissing = /no such (?:sub)?command/.test(problem ?? '');
    return skipped(what, isMissing ? 'cargo audit is not installed' : (problem ?? 'cargo audit gave no answer'));
  }
  const found = answer.vulnerabilities.list.map(({ advisory, package: { name, version } }) => ({
    text: `crate ${name} ${version}: ${advisory.id}, ${advisory.title}`,
    isDelivered,
  }));
  return judged(what, answer.lockfile?.['dependency-count'] ?? 'all', found);
}

async function crateLicences({ lock }) {
  const what = `licences of crates in ${lock}`;
  const manifest = lock.replace('Cargo.lock', 'Cargo.toml');
  const args = ['metadata', '--locked', '--offline', '--format-version', '1', '--manifest-path', manifest];
  const { stdout, problem } = await ask('cargo', args);
  const answer = parsed(stdout);
  if (answer === undefined) return skipped(what, problem ?? 'cargo metadata gave no answer');
  // Without a source: a crate of the project itself.
  const crates = answer.packages.filter(({ source }) => source !== null);
  const found = crates.flatMap(({ name, version, license }) =>
    isAllowedLicence(license) ? [] : [refused('crate', `${name} ${version}`, license)],
  );
  return judged(what, crates.length, found);
}

function refused(kind, name, licence) {
  const shown = licence === undefined || licence === null ? 'no licence' : `licence ${JSON.stringify(licence)}`;
  return { text: `${kind} ${name} has ${shown}, which scripts/licences.mjs does not allow`, isDelivered: true };
}

function judged(what, count, found) {
  const failures = found.filter(({ isDelivered }) => isDelivered).map(({ text }) => text);
  const others = found.filter(({ isDelivered }) => !isDelivered).map(({ text }) => text);
  const told = others.length > 0 ? `; not delivered: ${others.join('; ')}` : '';
  return { line: `${what}: ${count} checked, ${failures.length || 'no'} finding(s)${told}`, found: failures };
}

function skipped(what, reason) {
  return { line: `${what}: SKIPPED, ${reason.replace(/\s+/g, ' ').trim().slice(0, 200)}` };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Runs a program. Its exit status tells nothing: finding something and finding no network are both 1. */
function ask(program, args) {
  return new Promise((resolve) => {
    const output = { stdout: '', stderr: '' };
    const child = spawn(program, args, { cwd: root, timeout: patience, shell: process.platform === 'win32' });
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        output[name] += text;
      });
    }
    child.on('error', ({ message }) => resolve({ stdout: '', problem: `${program} cannot be run: ${message}` }));
    child.on('close', (_status, signal) => {
      const problem = signal === null ? firstError(output.stderr) : `no answer within ${patience / 1000} s`;
      resolve({ stdout: output.stdout, problem });
    });
  });
}

function firstError(text) {
  return text.split('\n').find((line) => /error/i.test(line)) ?? text.split('\n').find((line) => line !== '');
}
