// The pages that lie off the walk: behind links from mails, under a duty, with passkeys, and those that refuse. Each
// is read by axe-core; pages.json says which page is read under which name.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { enrol } from './authenticator.mjs';
import { inspect, startChromium } from './chromium.mjs';
import { addDevice } from './device.mjs';
import { binary, House, until } from './house.mjs';

let browser;
let house;

before(async () => {
  browser = await startChromium();
  house = await House.open({ localhost: true, organization: 'Acme' });
}, { timeout: 240_000 });

after(async () => {
  await browser?.close();
  await house?.close();
});

async function open(at = house, options = {}) {
  // axe-core is put into the page by us; the page's own policy forbids that, rightly.
  const context = await browser.newContext({ baseURL: at.base, bypassCSP: true, ...options });
  context.setDefaultTimeout(60_000);
  return context.newPage();
}

const passes = async (page, name) => assert.deepEqual(await inspect(page, name), []);
const press = (page, name) => page.getByRole('button', { name }).first().click();
const titled = (page, name) => page.getByRole('heading', { name, level: 1 }).waitFor();

async function logIn(page, user, at = house) {
  await page.goto('/login');
  await at.logIn(page, user);
}

/** Types username and password, and leaves the page that comes. */
async function password(page, user) {
  await page.goto('/login');
  await page.getByLabel('Username', { exact: true }).fill(user.username);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await press(page, 'Log In');
  await page.waitForURL((url) => url.pathname !== '/login');
}

/** The link of this kind in the mails to `to`. */
const link = (kind, to) => until(() => house.sink.mails.filter((mail) => mail.to.includes(to))
  .map((mail) => mail.text.match(new RegExp(`http\\S+/activate/${kind}/\\w+`))?.[0]).find(Boolean), `a link of kind ${kind} to ${to}`);

test('the link of the first start, an invitation and a link that is dead', { timeout: 240_000 }, async () => {
  const setup = (await house.command(['recover-admin'])).match(/http\S+\/activate\/setup\/\w+/)[0];
  const invited = `invited-${Date.now()}@example.org`;
  await house.command(['user', 'add', `${invited.replace('org', 'com')}`, '--email', invited]);
  const page = await open();

  await page.goto(setup);
  await passes(page, 'activate-setup');
  await page.getByLabel('Username').fill('x');
  await page.getByLabel('Name', { exact: true }).fill('X');
  await page.getByLabel('Email Address').fill('x@example.org');
  await page.getByLabel('Password', { exact: true }).fill('short');
  await page.getByLabel('Confirm Password').fill('shorter');
  await press(page, 'Create Administrator');
  await page.getByRole('alert').or(page.locator('.fault')).first().waitFor();
  await passes(page, 'activate-setup-refused');
  await page.goto(await link('invitation', invited));
  await passes(page, 'activate-invitation');
  const words = 'lantern orbits quilt 83 tulip';
  await page.getByLabel('Password', { exact: true }).fill(words);
  await page.getByLabel('Confirm Password').fill(words);
  await press(page, 'Save');
  await page.waitForURL((url) => url.pathname === '/login');
  await passes(page, 'activated');
  await page.goto(`/activate/freeze/${'A'.repeat(22)}`);
  await titled(page, 'This link no longer works');
  await passes(page, 'dead-link');
  await page.context().close();
});

test('a new address is agreed to at both addresses', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const fresh = `fresh-${user.email}`;
  const page = await open();
  await logIn(page, user);
  await page.goto('/setup/personal-information/email');
  await page.getByLabel('New Email Address').fill(fresh);
  await page.getByLabel('Current Password').fill(user.password);
  await press(page, 'Save');
  await page.waitForURL((url) => url.pathname === '/setup/personal-information');
  await passes(page, 'address-asked');
  const [old, next] = [await link('address-old', user.email), await link('address-new', fresh)];

  await page.goto(old);
  await passes(page, 'activate-address-old');
  await press(page, 'Confirm');
  await titled(page, 'Confirmed');
  await passes(page, 'address-half-confirmed');
  await page.goto(next);
  await passes(page, 'activate-address-new');
  await press(page, 'Confirm');
  await titled(page, 'Your email address was changed');
  await passes(page, 'address-changed');
  await page.context().close();
});

test('the link that freezes, and what an owner then sees', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  await house.reset(user);
  const page = await open();

  await page.goto(await link('freeze', user.email));
  await passes(page, 'activate-freeze');
  await press(page, 'Freeze my tokens');
  await titled(page, 'Your security tokens are frozen');
  await passes(page, 'tokens-frozen');
  await logIn(page, user);
  await page.goto('/setup/personal-information');
  await passes(page, 'personal-information-frozen');
  await page.context().close();
});

test('a password that an administrator has given must be changed', { timeout: 240_000 }, async () => {
  const admin = await house.addUser({ admin: true });
  const user = await house.addUser();
  await house.reset(admin);
  const data = `${house.base}/services/data/v59.0`;
  const body = `<?xml version="1.0" encoding="utf-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">
    <env:Body><login xmlns="urn:partner.soap.sforce.com"><username>${admin.username}</username>
    <password>${admin.password}${admin.token}</password></login></env:Body></env:Envelope>`;
  const soap = { 'content-type': 'text/xml; charset=UTF-8', soapaction: 'login' };
  const opened = await (await fetch(`${house.base}/services/Soap/u/59.0`, { method: 'POST', headers: soap, body })).text();
  const headers = { authorization: `Bearer ${opened.match(/<sessionId>([^<]+)</)[1]}` };
  const { id } = (await house.json(['user', 'show', user.username]));
  const given = await fetch(`${data}/sobjects/User/${id}/password`, { method: 'DELETE', headers });
  assert.equal(given.status, 200, await given.clone().text());
  user.password = (await given.json()).NewPassword;
  const page = await open();

  await logIn(page, user);

  assert.equal(new URL(page.url()).pathname, '/setup/personal-information/password');
  await passes(page, 'password-expired');
  await page.context().close();
});

test('one secret of a client is about to be removed', { timeout: 240_000 }, async () => {
  const admin = await house.addUser({ admin: true });
  const page = await open();
  await logIn(page, admin);
  await page.goto('/setup/clients');
  await page.getByLabel('Name', { exact: true }).fill('Nightly export');
  await press(page, 'Add Client');
  await page.goto('/setup/clients');
  await press(page, /^Add a Secret/);
  await page.waitForLoadState();
  await page.goto('/setup/clients');
  await passes(page, 'clients-two-secrets');

  await page.getByRole('cell').getByRole('button', { name: /^Remove/ }).first().click();
  await page.waitForURL((url) => url.pathname.includes('/secrets/'));

  await passes(page, 'client-secret-remove');
  await page.context().close();
});

test('a passkey is asked for, named anew and about to be removed', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  const device = await addDevice(page);
  await logIn(page, user);
  const app = await enrol(page);
  await page.goto('/setup/second-factors');
  await page.getByLabel('Name of the Passkey').fill('Laptop');
  await press(page, 'Add Passkey');
  await page.getByText('Your passkey was added.').first().waitFor();
  await passes(page, 'passkey-added');
  for (const [button, name] of [['Rename Laptop', 'passkey-rename'], ['Remove Laptop', 'passkey-remove']]) {
    await page.goto('/setup/second-factors');
    await page.getByRole('link', { name: button }).or(page.getByRole('button', { name: button })).first().click();
    await page.waitForURL((url) => url.pathname.includes('/passkeys/'));
    await passes(page, name);
  }
  await device.remove();

  // A browser without a device: the question stands there, unanswered.
  const stranger = await open();
  await password(stranger, user);
  await passes(stranger, 'challenge-with-passkey');
  await press(stranger, /passkey/i);
  await stranger.waitForURL((url) => url.pathname === '/login/challenge/passkey');
  await passes(stranger, 'challenge-passkey');
  await stranger.goto('/login/challenge');
  await stranger.getByLabel('Verification Code').fill(await app.code());
  await press(stranger, 'Verify');
  await stranger.waitForURL((url) => url.pathname === '/setup');
  await stranger.goto('/setup/verify');
  await passes(stranger, 'verify-with-passkey');
  await press(stranger, /passkey/i);
  await stranger.waitForURL((url) => url.pathname === '/setup/verify/passkey');
  await passes(stranger, 'verify-passkey');
  await stranger.goto('/setup/second-factors');
  await stranger.getByLabel('Name of the Passkey').fill('Key');
  await press(stranger, 'Add Passkey');
  await stranger.waitForURL((url) => url.pathname === '/setup/second-factors/passkeys');
  await passes(stranger, 'passkey-add');
  await stranger.context().close();
  await page.context().close();
});

test('under a duty: told by when, confined to enrolling, and asked each time', { timeout: 240_000 }, async () => {
  const strict = await House.open({ organization: 'Acme' });
  try {
    const user = await strict.addUser();
    await strict.reset(user);
    let page = await open(strict);
    await strict.command(['profile', 'set', 'Standard', '--duty', 'web-and-api', '--enrol-grace', '14d']);
    await logIn(page, user, strict);
    await page.getByText('Your profile demands a second factor').waitFor();
    await passes(page, 'duty-told');
    await page.context().close();
    await strict.command(['profile', 'set', 'Standard', '--enrol-grace', '0d']);
    page = await open(strict);
    await logIn(page, user, strict);
    await page.goto('/setup/tokens');
    assert.equal(new URL(page.url()).pathname, '/setup/second-factors');
    await passes(page, 'enrol-only');

    const app = await enrol(page);
    await page.goto('/setup/tokens');
    assert.equal(new URL(page.url()).pathname, '/setup/tokens');
    await press(page, 'Log Out');
    await password(page, user);

    assert.equal(new URL(page.url()).pathname, '/login/challenge');
    assert.ok(await page.getByLabel('Security Token').isDisabled());
    await passes(page, 'challenge-under-duty');
    await page.getByLabel('Verification Code').fill(await app.code());
    await press(page, 'Verify');
    await page.waitForURL((url) => url.pathname === '/setup');
    await page.context().close();
  } finally {
    await strict.close();
  }
});

test('pages that refuse: not for you, not there, too many, not available', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  await logIn(page, user);
  await page.goto('/setup/users');
  await titled(page, 'For administrators only');
  await passes(page, 'forbidden');
  await page.goto('/setup/login-history/nothing');
  await titled(page, 'There is no such page');
  await passes(page, 'not-found-inside');

  await page.goto('/setup/personal-information/name');
  await page.getByLabel('Name', { exact: true }).fill('Another Name');
  const release = await holdTheDatabase(house.data);
  try {
    page.setDefaultTimeout(60_000);
    await press(page, 'Save');
    await titled(page, 'Not available just now');
  } finally {
    await release();
  }
  await passes(page, 'unavailable');

  const stranger = await open();
  await until(async () => {
    await stranger.goto('/login');
    await stranger.getByLabel('Username').fill('nobody@example.com');
    await stranger.getByLabel('Password', { exact: true }).fill('nothing');
    const flood = Array.from({ length: 400 }, () => guess(user));
    await press(stranger, 'Log In');
    await stranger.waitForLoadState();
    await Promise.all(flood);
    return await stranger.getByRole('heading', { name: 'Not just now' }).isVisible();
  }, 'a log-in that is turned away', 90_000);
  await passes(stranger, 'too-many');
  await stranger.context().close();
  await page.context().close();
});

/** A log-in with a wrong password, at once with many others. */
async function guess(user) {
  const envelope = `<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>
    <login xmlns="urn:partner.soap.sforce.com"><username>${user.username}</username><password>wrong</password></login>
    </env:Body></env:Envelope>`;
  const headers = { 'content-type': 'text/xml; charset=UTF-8', soapaction: 'login' };
  await fetch(`${house.base}/services/Soap/u/59.0`, { method: 'POST', headers, body: envelope }).catch(() => {});
}

/** Keeps everybody else from writing, until what it answers is called. */
async function holdTheDatabase(data) {
  const file = fs.readdirSync(data).map((name) => path.join(data, name))
    .find((name) => fs.statSync(name).isFile() && fs.readFileSync(name).subarray(0, 15).toString() === 'SQLite format 3');
  const hold = `import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
c.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
c.execute("ROLLBACK")`;
  const holder = spawn('python3', ['-c', hold, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  return () => new Promise((resolve) => { holder.once('close', resolve); holder.stdin.end(); });
}

test('the mailbox of the demonstration', { timeout: 240_000 }, async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'symbolon-demo-'));
  const demo = spawn(binary(), ['demo'], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
  let shown = '';
  for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (piece) => { shown += piece; });
  try {
    const mailbox = await until(() => shown.match(/http:\S+\/dev\/mailbox/)?.[0], 'the address of the mailbox', 60_000);
    const page = await open({ base: new URL(mailbox).origin });
    await page.goto(mailbox);
    await passes(page, 'mailbox');
    await page.getByRole('main').getByRole('link').first().click();
    await page.waitForURL((url) => /\/dev\/mailbox\/\d+$/.test(url.pathname));
    await passes(page, 'mailbox-mail');
    await page.context().close();
  } finally {
    const ended = new Promise((resolve) => { demo.once('close', resolve); });
    demo.kill('SIGTERM');
    await ended;
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test('the QR code holds the key that stands beside it, as another decoder reads it', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  await logIn(page, user);
  await page.goto('/setup/second-factors');
  await press(page, 'Add Authenticator App');
  await titled(page, 'Add Authenticator App');
  const key = (await page.locator('dd .secret').innerText()).replaceAll(' ', '');

  // As a camera sees it: from the pixels of the screen, in light and in dark.
  const decoder = fs.readFileSync(createRequire(import.meta.url).resolve('jsqr/dist/jsQR.js'), 'utf8');
  await page.evaluate(decoder);
  const read = {};
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const picture = (await page.locator('svg.qr').screenshot()).toString('base64');
    read[colorScheme] = await page.evaluate(async (png) => {
      const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
      canvas.drawImage(image, 0, 0);
      const { data, width, height } = canvas.getImageData(0, 0, image.width, image.height);
      return globalThis.jsQR(data, width, height)?.data;
    }, picture);
  }

  assert.equal(read.light, read.dark);
  const uri = new URL(read.light);
  assert.equal(`${uri.protocol}${uri.host || uri.pathname.split('/')[2]}`, 'otpauth:totp');
  assert.equal(uri.searchParams.get('secret'), key);
  assert.equal(uri.searchParams.get('issuer'), 'Acme');
  assert.ok(decodeURIComponent(uri.pathname).endsWith(`Acme:${user.username}`), uri.pathname);
  const code = execFileSync('oathtool', ['--totp', '--base32', uri.searchParams.get('secret')], { encoding: 'utf8' }).trim();
  await page.getByLabel('Verification Code').fill(code);
  await page.getByLabel('Name').fill('Phone');
  await press(page, 'Add');
  await titled(page, 'Your Recovery Codes');
  await page.context().close();
});
