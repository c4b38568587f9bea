// The walk in a real browser, by the labels that people are told, with a picture of every page.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect, screenshots, startChromium } from './chromium.mjs';
import { House, until } from './house.mjs';

let browser;
const houses = {};

before(async () => {
  browser = await startChromium();
  houses.plain = await House.open({ organization: 'Acme' });
  houses.tls = await House.open({ tls: true });
}, { timeout: 90_000 });

after(async () => {
  await browser?.close();
  for (const house of Object.values(houses)) await house.close();
});

async function open(house, options = {}) {
  // axe-core is put into the page by us; the page's own policy forbids that, rightly.
  const context = await browser.newContext({ baseURL: house.base, ignoreHTTPSErrors: true, bypassCSP: true, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.complaints = [];
  page.on('console', (message) => { if (message.type() === 'error') page.complaints.push(message.text()); });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(house.base) && !request.url().startsWith('data:')) page.complaints.push(`asked ${request.url()}`);
  });
  return page;
}

async function logIn(house, page, user) {
  await page.goto('/');
  await page.getByRole('heading', { name: 'Log In' }).waitFor();
  await house.logIn(page, user);
  await page.getByRole('link', { name: 'Setup', exact: true }).first().waitFor();
}

const picture = (page, name) => page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true });

async function soapLogin(house, user, token) {
  const child = spawn(process.execPath, [new URL('jsforce-client.mjs', import.meta.url).pathname], {
    env: { ...process.env, ...(house.tls ? { NODE_EXTRA_CA_CERTS: house.authority } : {}) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (piece) => { out += piece; });
  child.stdin.end(JSON.stringify([{ do: 'soap', loginUrl: house.base, username: user.username, password: user.password + token }]));
  await once(child, 'close');
  return JSON.parse(out)[0];
}

for (const [where, javaScriptEnabled] of [['plain', true], ['tls', true], ['plain', false]]) {
  const how = `${where === 'tls' ? 'over HTTPS' : 'over HTTP'}${javaScriptEnabled ? '' : ' without JavaScript'}`;

  test(`the owner resets the token by the walk, ${how}`, { timeout: 90_000 }, async () => {
    const house = houses[where];
    const user = await house.addUser();
    const page = await open(house, { javaScriptEnabled });
    const name = `walk-${where}${javaScriptEnabled ? '' : '-noscript'}`;

    await logIn(house, page, user);
    await picture(page, `${name}-1-home`);
    const setup = page.getByRole('link', { name: 'Setup', exact: true }).first();
    const box = await setup.boundingBox();
    assert.ok(box.x > 640 && box.y < 200, `Setup is at the top right, not at ${JSON.stringify(box)}`);
    await setup.click();
    await page.getByText('Accounts & Settings').first().waitFor();
    const entry = page.getByRole('link', { name: 'My Personal Information', exact: true }).first();
    assert.ok((await entry.boundingBox()).x < 400, 'the sidebar is on the left');
    await picture(page, `${name}-2-setup`);
    await entry.click();
    const heading = page.getByRole('heading', { name: 'Personal Information', exact: true });
    await heading.waitFor();
    assert.ok((await heading.boundingBox()).x > (await entry.boundingBox()).x, 'the panel is to the right of the sidebar');
    await picture(page, `${name}-3-personal-information`);
    await page.getByRole('link', { name: 'Reset Security Token', exact: true }).click();
    await page.getByLabel('Current Password').fill(user.password);
    await picture(page, `${name}-4-confirm`);
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.waitForURL((url) => !url.pathname.endsWith('/confirm'));
    await picture(page, `${name}-5-receipt`);

    const token = await house.sink.token(user.email);
    assert.equal((await soapLogin(house, user, token)).ok, true);
    assert.ok(!(await page.content()).includes(token), 'the mail is the only place that shows the token');
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

test('the administrator resets by the sidebar and the button at the bottom', { timeout: 90_000 }, async () => {
  const house = houses.plain;
  const user = await house.addUser({ admin: true });
  const old = await house.reset(user);
  const page = await open(house);
  await logIn(house, page, user);

  await page.getByRole('link', { name: 'Setup', exact: true }).first().click();
  await page.getByRole('link', { name: 'My Personal Information', exact: true }).first().click();
  await page.getByRole('link', { name: 'Reset My Security Token', exact: true }).first().click();
  await picture(page, 'variant-1-reset-security-token');
  const button = page.getByRole('button', { name: 'Reset Security Token', exact: true })
    .or(page.getByRole('main').getByRole('link', { name: 'Reset Security Token', exact: true })).last();
  await button.click();
  await page.getByLabel('Current Password').fill(user.password);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  const token = await house.sink.token(user.email, 1);

  assert.notEqual(token, old);
  assert.equal((await soapLogin(house, user, token)).ok, true);
  assert.equal((await soapLogin(house, user, old)).ok, false);
  await page.context().close();
});

test('a wrong current password is said on the page, and the right one then resets', { timeout: 60_000 }, async () => {
  const house = houses.plain;
  const user = await house.addUser();
  const page = await open(house);
  await logIn(house, page, user);
  await page.goto('/setup/reset-security-token/confirm');

  await page.getByLabel('Current Password').fill('not the password');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText(/(wrong|incorrect|not right|not correct|does not match)/i).first().waitFor();
  await picture(page, 'wrong-password');
  await page.getByLabel('Current Password').fill(user.password);
  await page.getByRole('button', { name: 'Save', exact: true }).click();

  assert.ok(await house.sink.token(user.email));
  await page.context().close();
});

test('a double click, a reload and the back button make one reset', { timeout: 60_000 }, async () => {
  const house = houses.plain;
  const user = await house.addUser();
  const page = await open(house);
  await logIn(house, page, user);
  await page.goto('/setup/reset-security-token/confirm');
  await page.getByLabel('Current Password').fill(user.password);

  await page.getByRole('button', { name: 'Save', exact: true }).dblclick();
  await page.waitForURL((url) => !url.pathname.endsWith('/confirm'));
  await page.reload();
  await page.goBack();
  await page.goForward();
  await house.sink.token(user.email);
  await until(async () => (await house.json(['mail', 'status']))
    .every((letter) => !['waiting', 'leased'].includes(letter.state)), 'the mail to rest');

  assert.equal(house.sink.tokens(user.email).length, 1);
  await page.context().close();
});

test('the walk can be done with the keyboard alone', { timeout: 60_000 }, async () => {
  const house = houses.plain;
  const user = await house.addUser();
  const page = await open(house);
  await page.goto('/login');

  const tabTo = async (isThere) => {
    for (let presses = 0; presses < 60; presses += 1) {
      if (await page.evaluate(isThere)) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`Tab never came to ${isThere} on ${page.url()}`);
  };
  const name = (words) => `document.activeElement?.textContent?.trim() === ${JSON.stringify(words)}`;
  const label = (words) => `[...(document.activeElement?.labels ?? [])].some((each) => each.textContent.trim().startsWith(${JSON.stringify(words)}))`;

  await tabTo(label('Username'));
  await page.keyboard.type(user.username);
  await tabTo(label('Password'));
  await page.keyboard.type(user.password);
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'Setup', exact: true }).first().waitFor();
  for (const words of ['Setup', 'My Personal Information', 'Reset Security Token']) {
    await tabTo(name(words));
    await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
  }
  await tabTo(label('Current Password'));
  await page.keyboard.type(user.password);
  await page.keyboard.press('Enter');

  assert.ok(await house.sink.token(user.email));
  await page.context().close();
});

describe('every page of the walk passes axe-core in light and dark, narrow and wide', () => {
  const pages = {
    login: ['/login', false], 'forgot-password': ['/forgot-password', false], 'not-found': ['/no/such/page', false],
    setup: ['/setup', true], sessions: ['/setup/sessions', true], 'personal-information': ['/setup/personal-information', true],
    'reset-security-token': ['/setup/reset-security-token', true], confirm: ['/setup/reset-security-token/confirm', true],
  };
  let admin;
  let inside;
  let outside;

  before(async () => {
    admin = await houses.plain.addUser({ admin: true });
    await houses.plain.reset(admin);
    await soapLogin(houses.plain, admin, admin.token);
    inside = await open(houses.plain);
    outside = await open(houses.plain);
    await logIn(houses.plain, inside, admin);
  });

  for (const [name, [address, loggedIn]] of Object.entries(pages)) {
    test(name, { timeout: 60_000 }, async () => {
      const page = loggedIn ? inside : outside;
      await page.goto(address);
      assert.equal(new URL(page.url()).pathname, address);
      assert.deepEqual(await inspect(page, `axe-${name}`), []);
    });
  }

  test('login-refused', { timeout: 60_000 }, async () => {
    await outside.goto('/login');
    await outside.getByLabel('Username').fill('nobody@example.com');
    await outside.getByLabel('Password', { exact: true }).fill('nothing');
    await outside.getByRole('button', { name: 'Log In', exact: true }).click();
    await outside.waitForLoadState();
    assert.deepEqual(await inspect(outside, 'axe-login-refused'), []);
  });

  test('login-history', { timeout: 60_000 }, async () => {
    await inside.goto('/setup');
    await inside.getByRole('link', { name: 'Login History', exact: true }).first().click();
    await inside.waitForLoadState();
    assert.deepEqual(await inspect(inside, 'axe-login-history'), []);
  });

  test('receipt', { timeout: 60_000 }, async () => {
    await inside.goto('/setup/reset-security-token/confirm');
    await inside.getByLabel('Current Password').fill(admin.password);
    await inside.getByRole('button', { name: 'Save', exact: true }).click();
    await inside.waitForURL((url) => !url.pathname.endsWith('/confirm'));
    assert.deepEqual(await inspect(inside, 'axe-receipt'), []);
  });
});
