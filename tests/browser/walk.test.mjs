// The walk in a real browser, by the labels that people are told, with a picture of every page.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { enrol } from './authenticator.mjs';
import { inspect, screenshots, startChromium } from './chromium.mjs';
import { House, until } from './house.mjs';

let browser;
const houses = {};

before(async () => {
  browser = await startChromium();
  houses.plain = await House.open({ organization: 'Acme' });
  houses.tls = await House.open({ tls: true });
}, { timeout: 240_000 });

after(async () => {
  await browser?.close();
  for (const house of Object.values(houses)) await house.close();
});

async function open(house, options = {}) {
  // axe-core is put into the page by us; the page's own policy forbids that, rightly.
  const context = await browser.newContext({ baseURL: house.base, ignoreHTTPSErrors: true, bypassCSP: true, ...options });
  context.setDefaultTimeout(60_000);
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

  test(`the owner resets the token by the walk, ${how}`, { timeout: 240_000 }, async () => {
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

test('the administrator resets by the sidebar and the button at the bottom', { timeout: 240_000 }, async () => {
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

test('a wrong current password is said on the page, and the right one then resets', { timeout: 240_000 }, async () => {
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

test('a double click, a reload and the back button make one reset', { timeout: 240_000 }, async () => {
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

test('the walk can be done with the keyboard alone', { timeout: 240_000 }, async () => {
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
  await page.getByRole('heading', { name: 'Verify Your Identity' }).waitFor();
  await tabTo(label('Verification Code'));
  await page.keyboard.type(await house.sink.code(user.email));
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.pathname === '/setup');
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

describe('every page passes axe-core in light and dark, narrow and wide', () => {
  const outside = { login: '/login', 'forgot-password': '/forgot-password', 'api-docs': '/api/v1/docs', 'not-found': '/no/such/page' };
  const inside = {
    setup: '/setup', sessions: '/setup/sessions', 'known-places': '/setup/known-places',
    'personal-information': '/setup/personal-information', name: '/setup/personal-information/name',
    password: '/setup/personal-information/password', email: '/setup/personal-information/email',
    delivery: '/setup/personal-information/delivery', 'openpgp-key': '/setup/personal-information/openpgp-key',
    'sharing-signals': '/setup/sharing-signals', 'add-device-type': '/setup/add-device-type', 'device-type': '/setup/device-types/server',
    'reset-security-token': '/setup/reset-security-token', confirm: '/setup/reset-security-token/confirm', tokens: '/setup/tokens',
    verify: '/setup/verify', 'second-factors-none': '/setup/second-factors',
    'recovery-codes-disabled': '/setup/second-factors/recovery-codes', 'login-history': '/setup/login-history',
    'all-login-history': '/setup/all-login-history', 'all-tokens': '/setup/all-tokens', 'explain-login': '/setup/explain-login',
    mail: '/setup/mail', networks: '/setup/networks', clients: '/setup/clients', 'device-types': '/setup/device-types', profiles: '/setup/profiles',
    'add-profile': '/setup/add-profile', audit: '/setup/audit', users: '/setup/users', 'add-user': '/setup/add-user',
  };
  let house;
  let admin;
  let user;
  let stranger;
  let page;

  before(async () => {
    house = houses.plain;
    admin = await house.addUser({ admin: true });
    user = await house.addUser({ name: 'Grace Hopper' });
    await house.reset(admin);
    await house.reset(user);
    await soapLogin(house, admin, admin.token);
    await soapLogin(house, admin, admin.token.split('').reverse().join(''));
    stranger = await open(house);
    page = await open(house);
    await logIn(house, page, admin);
  }, { timeout: 240_000 });

  const press = (name) => page.getByRole('button', { name }).or(page.getByRole('link', { name })).first().click();
  const heading = (name) => page.getByRole('heading', { name, exact: true, level: 1 }).waitFor();
  const passes = async (name, at = page) => assert.deepEqual(await inspect(at, `axe-${name}`), []);

  for (const [addresses, at] of [[outside, () => stranger], [inside, () => page]]) {
    for (const [name, address] of Object.entries(addresses)) {
      test(name, { timeout: 240_000 }, async () => {
        await at().goto(address);
        assert.equal(new URL(at().url()).pathname, address);
        await passes(name, at());
      });
    }
  }

  test('login-refused', { timeout: 240_000 }, async () => {
    await stranger.goto('/login');
    await stranger.getByLabel('Username').fill('nobody@example.com');
    await stranger.getByLabel('Password', { exact: true }).fill('nothing');
    await stranger.getByRole('button', { name: 'Log In', exact: true }).click();
    await stranger.getByText('Reference').first().waitFor();
    await passes('login-refused', stranger);
  });

  test('activate', { timeout: 240_000 }, async () => {
    await stranger.goto('/forgot-password');
    await stranger.getByLabel('Username').fill(user.username);
    await stranger.getByRole('button', { name: 'Send Me a Link', exact: true }).click();
    await passes('link-sent', stranger);
    const link = await until(() => house.sink.mails.filter((mail) => mail.to.includes(user.email))
      .map((mail) => mail.text.match(/http\S+\/activate\/\S+/)?.[0]).find(Boolean), 'a link');
    await stranger.goto(link);
    await passes('activate', stranger);
  });

  test('challenge', { timeout: 240_000 }, async () => {
    await stranger.goto('/login');
    await stranger.getByLabel('Username').fill(user.username);
    await stranger.getByLabel('Password', { exact: true }).fill(user.password);
    await stranger.getByRole('button', { name: 'Log In', exact: true }).click();
    await stranger.getByRole('heading', { name: 'Verify Your Identity' }).waitFor();
    await passes('challenge', stranger);
    await stranger.getByLabel('Verification Code').fill('000000');
    await stranger.getByRole('button', { name: 'Verify', exact: true }).click();
    await stranger.getByText('That did not work.').first().waitFor();
    await passes('challenge-refused', stranger);
  });

  test('receipt', { timeout: 240_000 }, async () => {
    await page.goto('/setup/reset-security-token/confirm');
    await page.getByLabel('Current Password').fill(admin.password);
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.waitForURL((url) => !url.pathname.endsWith('/confirm'));
    await passes('receipt');
  });

  test('revoke', { timeout: 240_000 }, async () => {
    await page.goto('/setup/tokens');
    await press(/^Revoke/);
    await page.waitForURL((url) => url.pathname.endsWith('/revoke'));
    await passes('revoke');
  });

  test('explanation of a refusal', { timeout: 240_000 }, async () => {
    await page.goto('/setup/login-history');
    await press(/^Explain the refusal/);
    await heading('Why It Was Refused');
    await passes('explanation');
  });

  test('explain-login with an answer', { timeout: 240_000 }, async () => {
    await page.goto('/setup/explain-login');
    await page.getByLabel('Username').fill(user.username);
    await page.getByLabel('Address', { exact: true }).fill('192.0.2.7');
    await page.getByRole('button', { name: 'Explain', exact: true }).click();
    await page.getByRole('heading', { name: 'Rule by rule' }).waitFor();
    await passes('explain-login-answered');
  });

  test('second factors from the first app to its removal', { timeout: 240_000 }, async () => {
    await page.goto('/setup/second-factors');
    await press('Add Authenticator App');
    await heading('Add Authenticator App');
    await passes('second-factors-enrol');
    await page.getByLabel('Verification Code').fill('12345');
    await page.getByLabel('Name').fill('Phone');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('This code is not right.').first().waitFor();
    await passes('second-factors-enrol-refused');
    await enrol(page);
    await passes('recovery-codes-shown');
    await page.goto('/setup/second-factors');
    await passes('second-factors');
    await page.goto('/setup/verify');
    await passes('verify-by-app');
    for (const [button, title, name] of [['Rename Phone', 'Rename Authenticator App', 'second-factors-rename'],
      ['Remove Phone', 'Remove Authenticator App', 'second-factors-remove'],
      ['Make New Recovery Codes', 'Make New Recovery Codes', 'second-factors-recovery-codes']]) {
      await page.goto('/setup/second-factors');
      await press(button);
      await heading(title);
      await passes(name);
    }
  });

  test('profile', { timeout: 240_000 }, async () => {
    await page.goto('/setup/profiles');
    await press('Edit Standard');
    await page.waitForURL(/\/setup\/profiles\/./);
    await passes('profile');
    await page.getByLabel('Login hours', { exact: true }).fill('noon');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('Login hours must be').first().waitFor();
    await passes('profile-refused');
  });

  test('networks and clients, added and about to be removed', { timeout: 240_000 }, async () => {
    await page.goto('/setup/networks');
    await page.getByLabel('Address Range').fill('192.0.2.0/24');
    await press('Add Network');
    await page.getByRole('rowheader', { name: '192.0.2.0/24' }).waitFor();
    await press('Remove 192.0.2.0/24');
    await page.waitForURL((url) => url.pathname.endsWith('/remove'));
    await passes('network-remove');
    await page.goto('/setup/clients');
    await page.getByLabel('Name', { exact: true }).fill('Nightly export');
    await press('Add Client');
    await page.waitForLoadState();
    await passes('client-secret');
    await page.goto('/setup/clients');
    await passes('clients-one');
    await press(/^Remove Client/);
    await page.waitForURL((url) => url.pathname.endsWith('/remove'));
    await passes('client-remove');
  });

  for (const name of ['user', 'user-reset-security-token', 'user-reset-second-factors', 'user-profile', 'user-sessions', 'user-remove']) {
    test(name, { timeout: 240_000 }, async () => {
      const address = `/setup/users/${user.username}${name.replace(/^user-?/, '/').replace(/\/$/, '')}`;
      await page.goto(address);
      assert.equal(decodeURIComponent(new URL(page.url()).pathname), address);
      await passes(name);
    });
  }
});
