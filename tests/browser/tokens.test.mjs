// Tokens, what a reset will break, rotation and the receipt that follows, in a real browser: read by axe-core,
// with a picture of each page.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { inspect, startChromium } from './chromium.mjs';
import { House, until } from './house.mjs';

let browser;
let house;

before(async () => {
  browser = await startChromium();
  house = await House.open({ organization: 'Acme' });
}, { timeout: 240_000 });

after(async () => {
  await browser?.close();
  await house?.close();
});

async function soapLogin(user, token) {
  const child = spawn(process.execPath, [new URL('jsforce-client.mjs', import.meta.url).pathname],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (piece) => { out += piece; });
  child.stdin.end(JSON.stringify([{ do: 'soap', loginUrl: house.base, username: user.username, password: user.password + token }]));
  await once(child, 'close');
  return JSON.parse(out)[0];
}

test('an owner sees what a reset breaks, rotates, cancels, resets one device type and follows the clients', { timeout: 240_000 }, async () => {
  const user = await house.addUser();
  const first = await house.reset(user);
  await house.command(['device-type', 'set', 'server', '--overlap', 'allowed']);
  await house.command(['token', 'reset', user.username, '--device-type', 'server']);
  const forServers = await house.sink.token(user.email, 1);
  await soapLogin(user, first);
  await soapLogin(user, forServers);
  // axe-core is put into the page by us; the page's own policy forbids that, rightly.
  const context = await browser.newContext({ baseURL: house.base, bypassCSP: true, javaScriptEnabled: true });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const faults = [];
  await page.goto('/');
  await house.logIn(page, user);

  await page.goto('/setup/tokens');
  faults.push(...await inspect(page, 'tokens-two'));
  const servers = page.getByRole('article').filter({ hasText: 'Device type server' });
  await servers.getByRole('cell', { name: 'stops', exact: true }).waitFor();
  assert.ok(await page.getByRole('button', { name: /^Cancel Rotation/ }).first().isDisabled());

  await servers.getByRole('button', { name: /^Rotate/ }).click();
  faults.push(...await inspect(page, 'tokens-rotate'));
  await page.getByLabel('Current Password').fill(user.password);
  await page.getByRole('button', { name: 'Rotate', exact: true }).click();
  await page.getByText('The old one lives on until this one is first used').waitFor();
  faults.push(...await inspect(page, 'tokens-rotated'));
  await page.goto('/setup/tokens');
  faults.push(...await inspect(page, 'tokens-rotating'));
  await page.getByRole('button', { name: /^Cancel Rotation/, disabled: false }).first().click();
  faults.push(...await inspect(page, 'tokens-cancel'));
  await page.getByRole('button', { name: 'Cancel Rotation', exact: true }).click();
  await page.getByText('The rotation was cancelled').waitFor();

  await page.goto('/setup/reset-security-token');
  faults.push(...await inspect(page, 'tokens-breakage'));
  await page.goto('/setup/tokens');
  await servers.first().getByRole('button', { name: /^Reset/ }).click();
  assert.ok(await page.getByLabel('Only the token of the chosen device type').isChecked());
  assert.equal(await page.getByLabel('Device Type', { exact: true }).inputValue(), 'server');
  faults.push(...await inspect(page, 'tokens-confirm'));
  await page.getByLabel('Current Password').fill(user.password);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('not seen since').waitFor();
  const next = await house.sink.token(user.email, 3);
  await soapLogin(user, forServers);
  await page.getByRole('link', { name: 'Refresh' }).click();
  await page.getByText('still on the retired token').waitFor();
  faults.push(...await inspect(page, 'tokens-receipt-tried'));
  await soapLogin(user, next);
  await page.getByRole('link', { name: 'Refresh' }).click();
  await page.getByText('came back', { exact: true }).waitFor();
  faults.push(...await inspect(page, 'tokens-receipt-back'));
  assert.ok((await soapLogin(user, first)).ok !== false, 'the other device type goes on');

  await context.close();
  assert.deepEqual(faults, []);
});

/** Logs in at the partner API as a client that calls itself so. */
async function logInAs(client, user, token) {
  const body = `<?xml version="1.0" encoding="utf-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">
    <env:Body><login xmlns="urn:partner.soap.sforce.com"><username>${user.username}</username>
    <password>${user.password}${token}</password></login></env:Body></env:Envelope>`;
  const headers = { 'content-type': 'text/xml; charset=UTF-8', soapaction: 'login', 'user-agent': client };
  const answer = await fetch(`${house.base}/services/Soap/u/59.0`, { method: 'POST', headers, body });
  assert.equal(answer.status, 200, await answer.text());
}

test('an owner sees why a token looks shared and where one was found, and an administrator sees them all', { timeout: 240_000 }, async () => {
  const user = await house.addUser({ admin: true });
  await house.command(['device-type', 'set', 'any', '--overlap', 'allowed']);
  await house.command(['token', 'reset', user.username, '--device-type', 'mobile']);
  const found = await house.sink.token(user.email);
  const seen = 'https://paste.example.org/p/7';
  const report = await fetch(`${house.base}/api/v1/leaked-tokens`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ tokens: [{ token: found, url: seen }] }),
  });
  assert.equal(report.status, 202, await report.text());
  await house.command(['token', 'reset', user.username]);
  const shared = await house.sink.token(user.email, 1);
  await logInAs('simple-salesforce/1.12.6', user, shared);
  await logInAs('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)', user, shared);
  const context = await browser.newContext({ baseURL: house.base, bypassCSP: true });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const faults = [];
  await page.goto('/');
  await house.logIn(page, user);

  // The uses are looked at once a minute.
  await until(async () => {
    await page.goto('/setup/tokens');
    return page.getByText('Looks shared').first().isVisible();
  }, 'a signal of sharing', 90_000);
  const live = page.getByRole('article').filter({ hasText: 'Device type any' });
  await live.getByText('kinds of client that are not one device').waitFor();
  const leaked = page.getByRole('article').filter({ hasText: 'Device type mobile' });
  await leaked.getByText(seen).waitFor();
  assert.equal(await page.getByRole('link', { name: seen }).count(), 0, 'a stranger’s word is no link');
  faults.push(...await inspect(page, 'tokens-shared-and-found'));
  await live.getByRole('button', { name: /^Mark as False Alarm/ }).click();
  await page.getByText(/false alarm/i).first().waitFor();
  await page.goto('/setup/tokens');
  assert.ok(await live.getByRole('button', { name: /^Mark as False Alarm/ }).isDisabled());
  await live.getByText('It is marked as a false alarm already.').waitFor();
  faults.push(...await inspect(page, 'tokens-false-alarm'));

  await house.command(['token', 'rotate', user.username]);
  await page.goto('/setup/all-tokens');
  await page.getByText('comes in the place of').waitFor();
  faults.push(...await inspect(page, 'all-tokens'));
  await page.getByLabel('State').selectOption('retired');
  await page.getByLabel('Username begins with').fill(user.username.toUpperCase());
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByRole('cell', { name: 'mobile' }).waitFor();
  assert.equal(await page.getByRole('row').count(), 2, 'its heading and the one that is retired');
  assert.equal(await page.getByLabel('State').inputValue(), 'retired');
  assert.ok(![found, shared].some((token) => page.url().includes(token)));
  await page.getByRole('link', { name: user.username }).click();
  await page.getByRole('heading', { name: user.username, exact: true, level: 1 }).waitFor();

  await context.close();
  assert.deepEqual(faults, []);
});
