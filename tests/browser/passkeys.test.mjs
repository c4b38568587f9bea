// Passkeys with Chromium's own virtual authenticator: made, logged in with, proved as a second factor, and removed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inspect, startChromium } from './chromium.mjs';
import { addDevice } from './device.mjs';
import { House, until } from './house.mjs';

let house;
let bare;
let chromium;

before(async () => {
  [house, bare, chromium] = await Promise.all([House.open({ localhost: true }), House.open(), startChromium()]);
});

after(async () => {
  await chromium?.close();
  await house?.close();
  await bare?.close();
});

const open = async (at = house) => {
  const context = await chromium.newContext({ baseURL: at.base });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  return page;
};

const CODE = /\b(\d{6})\b/;

/** Types username and password, and the code from the mail where this browser is not known yet. */
async function logIn(page, user) {
  const before = house.sink.mails.length;
  await page.goto('/login');
  await page.getByLabel('Username').fill(user.username);
  await page.getByLabel('Password', { exact: true }).fill(user.password);
  await page.getByRole('button', { name: 'Log In', exact: true }).click();
  await page.waitForURL((url) => url.pathname !== '/login');
  if (new URL(page.url()).pathname === '/login/challenge') {
    const code = await until(() => house.sink.mails.slice(before)
      .find((mail) => mail.to.includes(user.email) && /verif|code/i.test(mail.subject))?.text.match(CODE)?.[1], 'a code');
    await page.getByLabel('Verification Code').fill(code);
    await page.getByRole('button', { name: 'Verify', exact: true }).click();
  }
  await page.waitForURL((url) => url.pathname.startsWith('/setup'));
}

const logOut = async (page) => {
  await page.getByRole('button', { name: 'Log Out' }).click();
  await page.waitForURL((url) => url.pathname === '/login');
};

/** Makes a passkey under `name`, with the page of recovery codes left if it is the first factor. */
async function addPasskey(page, name) {
  await page.goto('/setup/second-factors');
  await page.getByLabel('Name of the Passkey').fill(name);
  await page.getByRole('button', { name: 'Add Passkey' }).click();
  await page.getByText('Your passkey was added.').first().waitFor();
  await page.goto('/setup/second-factors');
  await page.getByRole('rowheader', { name }).waitFor();
}

const logInByPasskey = async (page) => {
  await page.goto('/login');
  await page.getByRole('button', { name: 'Use a Passkey' }).click();
};

test('a passkey is made, and opens a session without a password', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  const device = await addDevice(page);
  await logIn(page, user);

  await addPasskey(page, 'Laptop');
  assert.deepEqual(await inspect(page, 'axe-second-factors-passkey'), []);
  await logOut(page);
  await logInByPasskey(page);
  await page.waitForURL((url) => url.pathname === '/setup');

  const [credential] = await device.credentials();
  assert.equal(credential.rpId, 'localhost');
  assert.equal(credential.isResidentCredential, true);
  await page.goto('/setup/login-history');
  await page.getByText('passkey', { exact: true }).first().waitFor();
  await page.context().close();
});

test('a device that does not verify its user opens nothing', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  const device = await addDevice(page);
  await logIn(page, user);
  await addPasskey(page, 'Laptop');
  await logOut(page);

  await device.verifies(false);
  await logInByPasskey(page);
  await page.getByText('Nothing was chosen, or the time was up.').waitFor();
  await device.verifies(true);
  await page.getByRole('button', { name: 'Use Passkey' }).click();

  await page.waitForURL((url) => url.pathname === '/setup');
  await page.context().close();
});

test('a copy of a passkey whose counter is behind is refused', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  const device = await addDevice(page);
  await logIn(page, user);
  await addPasskey(page, 'Laptop');
  const [copy] = await device.credentials();
  await logOut(page);
  await logInByPasskey(page);
  await page.waitForURL((url) => url.pathname === '/setup');
  await logOut(page);

  await device.forget();
  await device.hold({ ...copy, signCount: 0 });
  await logInByPasskey(page);

  await page.getByText('there may be a copy of it').first().waitFor();
  await page.context().close();
});

test('a passkey is the second factor of a browser that is not known', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  const device = await addDevice(page);
  await logIn(page, user);
  await addPasskey(page, 'Laptop');
  const [credential] = await device.credentials();
  const stranger = await open();
  const same = await addDevice(stranger);
  await same.hold(credential);

  await stranger.goto('/login');
  await stranger.getByLabel('Username').fill(user.username);
  await stranger.getByLabel('Password', { exact: true }).fill(user.password);
  await stranger.getByRole('button', { name: 'Log In', exact: true }).click();
  await stranger.waitForURL((url) => url.pathname === '/login/challenge');
  await stranger.getByRole('heading', { name: 'Verify Your Identity' }).waitFor();
  await stranger.getByRole('button', { name: /passkey/i }).click();

  await stranger.waitForURL((url) => url.pathname === '/setup');
  await stranger.goto('/setup/login-history');
  await stranger.getByText('password and passkey', { exact: true }).first().waitFor();
  await stranger.context().close();
  await page.context().close();
});

test('a removed passkey opens nothing', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const page = await open();
  await addDevice(page);
  await logIn(page, user);
  await addPasskey(page, 'Laptop');

  await page.getByRole('link', { name: 'Remove Laptop' })
    .or(page.getByRole('button', { name: 'Remove Laptop' })).click();
  await page.getByRole('heading', { name: 'Remove Passkey' }).waitFor();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('The second factor was removed.').waitFor();
  await logOut(page);
  await logInByPasskey(page);

  await page.getByText('This passkey is not registered here').first().waitFor();
  await page.context().close();
});

test('at a bare address the buttons are there, disabled, with the remedy', { timeout: 240_000 }, async () => {
  const page = await open(bare);

  await page.goto('/login');

  assert.equal(await page.getByRole('button', { name: 'Use a Passkey' }).isDisabled(), true);
  await page.getByText('--public-url http://localhost:').waitFor();
  await page.context().close();
});

test('without script the page says what is missing', { timeout: 240_000 }, async () => {
  const context = await chromium.newContext({ baseURL: house.base, javaScriptEnabled: false });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);

  await logInByPasskey(page);

  await page.getByText('Passkeys need JavaScript').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Use Passkey' }).isDisabled(), true);
  await context.close();
});

test('the page that asks for a passkey passes axe-core', { timeout: 240_000 }, async () => {
  const page = await open();
  await logInByPasskey(page);
  await page.getByRole('heading', { name: 'Use a Passkey' }).waitFor();
  assert.deepEqual(await inspect(page, 'axe-passkey'), []);
  await page.context().close();
});
