// Tokens, what a reset will break, rotation and the receipt that follows, in a real browser: read by axe-core,
// with a picture of each page.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { inspect, startChromium } from './chromium.mjs';
import { House } from './house.mjs';

let browser;
let house;

before(async () => {
  browser = await startChromium();
  house = await House.open({ organization: 'Acme' });
}, { timeout: 60_000 });

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

test('an owner sees what a reset breaks, rotates, cancels, resets one device type and follows the clients', { timeout: 180_000 }, async () => {
  const user = await house.addUser();
  const first = await house.reset(user);
  await house.command(['device-type', 'set', 'server', '--overlap', 'allowed']);
  await house.command(['token', 'reset', user.username, '--device-type', 'server']);
  const forServers = await house.sink.token(user.email, 1);
  await soapLogin(user, first);
  await soapLogin(user, forServers);
  // axe-core is put into the page by us; the page's own policy forbids that, rightly.
  const context = await browser.newContext({ baseURL: house.base, bypassCSP: true, javaScriptEnabled: true });
  context.setDefaultTimeout(15_000);
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
