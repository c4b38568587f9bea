// A whole Symbolon for one test file: the real binary, a data directory of its own, and a mail server that keeps all mail.
// Knows the public contract alone.

import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

// The same expression as the mail parsers that people already have.
const TOKEN_LINE = /^\s*Security token\s*\(case-sensitive\):\s*([A-Za-z0-9]{16,64})\s*$/im;

const CODE_LINE = /^\s*Verification code:\s*([0-9]{6})\s*$/im;

export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target');
  const file = process.env.SYMBOLON_TEST_BINARY ?? path.join(target, 'release', 'symbolon');
  if (!fs.existsSync(file)) {
    throw new Error(`${file} is missing: run \`cargo build --release\` (or set SYMBOLON_TEST_BINARY)`);
  }
  return file;
}

/** Ports that were handed out: the server that is to have one may not listen on it yet. */
const given = new Set();

/**
 * A port that nobody listens on. Not one of those that the kernel gives to outgoing connections, which any client could
 * take between this answer and the server's start, and none of the system tests', which run beside.
 */
async function freePort() {
  for (;;) {
    const port = 4000 + crypto.randomInt(4000);
    if (given.has(port)) continue;
    const probe = net.createServer();
    const free = await new Promise((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    given.add(port);
    return port;
  }
}

function environment() {
  const kept = Object.fromEntries(Object.entries(process.env)
    .filter(([name]) => !name.startsWith('SYMBOLON_') && !name.startsWith('OTEL_')));
  return { ...kept, NO_COLOR: '1' };
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function until(probe, what, within = 60_000) {
  const deadline = Date.now() + within;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${within} ms in vain for ${what}`);
    await pause(50);
  }
}

class Sink {
  mails = [];

  async start() {
    this.port = await freePort();
    this.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS', 'AUTH'],
      logger: false,
      onData: (stream, session, done) => {
        const to = session.envelope.rcptTo.map((recipient) => recipient.address.toLowerCase());
        simpleParser(stream).then((mail) => {
          this.mails.push({ to, subject: mail.subject ?? '', text: mail.text ?? '', html: mail.html || '' });
          done();
        }, done);
      },
    });
    this.server.on('error', () => {});
    this.server.listen(this.port, '127.0.0.1');
    return this;
  }

  get url() { return `smtp://127.0.0.1:${this.port}?tls=none`; }

  tokens(to) {
    return this.mails.filter((mail) => mail.to.includes(to.toLowerCase()))
      .map((mail) => mail.text.match(TOKEN_LINE)?.[1]).filter(Boolean);
  }

  /** The token of the mail beyond the first `after` token mails to this address. */
  token(to, after = 0) { return until(() => this.tokens(to)[after], `a token mail to ${to}`); }

  codes(to) {
    return this.mails.filter((mail) => mail.to.includes(to.toLowerCase()))
      .map((mail) => mail.text.match(CODE_LINE)?.[1]).filter(Boolean);
  }

  /** The code of the mail beyond the first `after` mails with a code to this address. */
  code(to, after = 0) { return until(() => this.codes(to)[after], `a mail with a code to ${to}`); }

  stop() { return new Promise((resolve) => this.server.close(resolve)); }
}

export class House {
  /**
   * `tls` serves HTTPS with the private authority, and makes that the public address; `localhost` makes the
   * public address one with a host name, as passkeys need it.
   */
  static async open({ tls = false, localhost = false, organization = undefined } = {}) {
    const house = new House();
    house.tls = tls;
    house.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'symbolon-house-'));
    house.data = path.join(house.directory, 'data');
    house.sink = await new Sink().start();
    house.port = await freePort();
    house.tlsPort = tls ? await freePort() : 0;
    house.opsPort = await freePort();
    house.base = tls ? `https://127.0.0.1:${house.tlsPort}` : `http://127.0.0.1:${house.port}`;
    if (localhost) house.base = `http://localhost:${house.port}`;
    const words = ['serve', '--data-dir', house.data, '--listen', `127.0.0.1:${house.port}`,
      '--listen-ops', `127.0.0.1:${house.opsPort}`, '--mail', house.sink.url];
    if (tls) words.push('--listen-tls', `127.0.0.1:${house.tlsPort}`, '--tls-self-signed', '--public-url', house.base);
    if (localhost) words.push('--public-url', house.base);
    if (organization) words.push('--organization', organization);
    house.logFile = path.join(house.directory, 'server.log');
    const log = fs.openSync(house.logFile, 'a');
    house.process = spawn(binary(), words, { cwd: house.directory, env: environment(), stdio: ['ignore', log, log] });
    fs.closeSync(log);
    try {
      await until(() => {
        if (house.process.exitCode !== null) throw new Error(`the server ended: ${house.log()}`);
        return house.ready();
      }, '/readyz');
    } catch (error) {
      await house.close();
      throw new Error(`${error.message}\n${house.log()}`);
    }
    return house;
  }

  ready() {
    return new Promise((resolve) => {
      http.get({ host: '127.0.0.1', port: this.port, path: '/readyz', timeout: 2000, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      }).on('error', () => resolve(false)).on('timeout', function stop() { this.destroy(); });
    });
  }

  log() { return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8') : ''; }

  get authority() { return path.join(this.data, 'ca.pem'); }

  async command(words, stdin = '') {
    const child = spawn(binary(), [...words, '--data-dir', this.data], { cwd: this.directory, env: environment() });
    let out = '';
    let err = '';
    child.stdout.on('data', (piece) => { out += piece; });
    child.stderr.on('data', (piece) => { err += piece; });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`symbolon ${words.join(' ')} ended with ${code}: ${err || out}`);
    return out;
  }

  async json(words, stdin = '') { return JSON.parse(await this.command([...words, '--json'], stdin)); }

  async addUser({ admin = false, name = 'Ada Lovelace' } = {}) {
    const draw = () => Math.random().toString(36).slice(2, 8).padEnd(6, '0');
    const mark = draw();
    const user = {
      username: `ada-${mark}@example.com`,
      email: `mail-${mark}@example.org`,
      // Nothing of the username or the address may be in it.
      password: `lantern ${draw()} orbits-quilt 83!`,
    };
    await this.command(['user', 'add', user.username, '--email', user.email, '--name', name, '--password-stdin',
      ...(admin ? ['--admin'] : [])], `${user.password}\n`);
    return user;
  }

  /** Logs in on the page, and answers the challenge of an unknown browser with the mailed code. */
  async logIn(page, user) {
    const before = this.sink.codes(user.email).length;
    await page.getByLabel('Username', { exact: true }).fill(user.username);
    await page.getByLabel('Password', { exact: true }).fill(user.password);
    await page.getByRole('button', { name: 'Log In', exact: true }).click();
    await page.waitForURL((url) => url.pathname !== '/login');
    if (new URL(page.url()).pathname !== '/login/challenge') return;
    await page.getByLabel('Verification Code').fill(await this.sink.code(user.email, before));
    await page.getByRole('button', { name: 'Verify', exact: true }).click();
    await page.waitForURL((url) => !url.pathname.startsWith('/login'));
  }

  /** Resets by the administrator's command and answers the mailed token. */
  async reset(user) {
    const before = this.sink.tokens(user.email).length;
    await this.command(['token', 'reset', user.username]);
    user.token = await this.sink.token(user.email, before);
    return user.token;
  }

  async close() {
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill('SIGTERM');
      const late = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(late);
    }
    await this.sink?.stop();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
