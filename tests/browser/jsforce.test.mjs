// jsforce, unmodified, over HTTPS with the private authority.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { enrol } from './authenticator.mjs';
import { startChromium } from './chromium.mjs';
import { House, until } from './house.mjs';

let house;

before(async () => { house = await House.open({ tls: true }); }, { timeout: 240_000 });
after(async () => { await house?.close(); });

async function run(calls, environment = { NODE_EXTRA_CA_CERTS: house.authority }) {
  const child = spawn(process.execPath, [new URL('jsforce-client.mjs', import.meta.url).pathname], {
    env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (piece) => { out += piece; });
  child.stdin.end(JSON.stringify(calls));
  await once(child, 'close');
  return JSON.parse(out);
}

/** A user under a profile of his own with the duty "web and API", with a token and an app that was enrolled over the pages. */
async function userWithApp() {
  const user = await userWithToken();
  const browser = await startChromium();
  try {
    const page = await browser.newPage({ baseURL: house.base, ignoreHTTPSErrors: true });
    await page.goto('/login');
    await house.logIn(page, user);
    const app = await enrol(page);
    await house.command(['profile', 'add', user.username, '--duty', 'web-and-api']);
    await house.command(['user', 'set-profile', user.username, user.username]);
    return { user, app };
  } finally {
    await browser.close();
  }
}

async function userWithToken() {
  const user = await house.addUser();
  await house.reset(user);
  return user;
}

const soap = (user, token = user.token) => (
  { do: 'soap', loginUrl: house.base, username: user.username, password: user.password + token });

let client;
async function oauth(user, token = user.token) {
  client ??= await house.json(['client', 'add', 'jsforce']);
  return { do: 'oauth', loginUrl: house.base, clientId: client.client_id, clientSecret: client.client_secret,
    username: user.username, password: user.password + token };
}

test('jsforce logs in by SOAP, asks who it is, and logs out', { timeout: 240_000 }, async () => {
  const user = await userWithToken();

  const [login, identity, resources, logout, late] = await run(
    [soap(user), { do: 'identity' }, { do: 'resources' }, { do: 'logout' }, { do: 'resources' }]);

  assert.equal(login.ok, true, login.message);
  assert.match(login.value.accessToken, /^00D[0-9A-Za-z]{12}![A-Za-z0-9._]{96}$/);
  assert.equal(login.value.instanceUrl, house.base);
  assert.match(login.value.id, /^005[0-9A-Za-z]{15}$/);
  assert.match(login.value.organizationId, /^00D[0-9A-Za-z]{15}$/);
  assert.equal(identity.ok, true, identity.message);
  assert.equal(identity.value.username, user.username);
  assert.equal(resources.ok, true, resources.message);
  assert.equal(logout.ok, true, logout.message);
  assert.equal(late.ok, false, 'the session is dead after the logout');
  assert.equal(late.code, 'INVALID_SESSION_ID');
});

test('jsforce logs in by the OAuth password grant, asks who it is, and logs out', { timeout: 240_000 }, async () => {
  const user = await userWithToken();

  const [login, identity, logout, late] = await run(
    [await oauth(user), { do: 'identity' }, { do: 'logout' }, { do: 'resources' }]);

  assert.equal(login.ok, true, login.message);
  assert.equal(login.value.instanceUrl, house.base);
  assert.equal(identity.ok, true, identity.message);
  assert.equal(identity.value.email, user.email);
  assert.equal(logout.ok, true, logout.message);
  assert.equal(late.ok, false);
  assert.equal(late.code, 'INVALID_SESSION_ID');
});

test('under the duty jsforce logs in by SOAP with password and code, and not with the token', { timeout: 240_000 }, async () => {
  const { user, app } = await userWithApp();
  const code = await app.code();

  const [login, identity] = await run([soap(user, code), { do: 'identity' }]);
  const [byToken] = await run([soap(user)]);
  const [replayed] = await run([soap(user, code)]);

  assert.equal(login.ok, true, login.message);
  assert.equal(identity.value?.username, user.username, identity.message);
  assert.match(byToken.message, /^INVALID_LOGIN: /);
  assert.match(replayed.message, /^INVALID_LOGIN: /);
  await until(async () => (await house.json(['login', 'history', '--user', user.username]))
    .find((each) => each.reason === 'password and authenticator code'), 'the code in the history');
});

test('under the duty jsforce logs in by OAuth with password and code, and not with the token', { timeout: 240_000 }, async () => {
  const { user, app } = await userWithApp();

  const [byToken] = await run([await oauth(user)]);
  const [login, identity] = await run([await oauth(user, await app.code()), { do: 'identity' }]);

  assert.equal(byToken.name, 'invalid_grant');
  assert.equal(login.ok, true, login.message);
  assert.equal(identity.value?.email, user.email, identity.message);
});

test('jsforce is told INVALID_LOGIN for a wrong token', { timeout: 240_000 }, async () => {
  const user = await userWithToken();

  const [login] = await run([soap(user, user.token.split('').reverse().join(''))]);

  assert.equal(login.ok, false);
  assert.match(login.message, /^INVALID_LOGIN: Invalid username, password, security token; or user locked out\./);
});

test('jsforce is told invalid_grant for a missing token', { timeout: 240_000 }, async () => {
  const user = await userWithToken();

  const [login] = await run([await oauth(user, '')]);

  assert.equal(login.ok, false);
  assert.equal(login.name, 'invalid_grant');
  assert.match(login.message, /authentication failure/);
});

test('jsforce with a retired token is refused, and the history names it', { timeout: 240_000 }, async () => {
  const user = await userWithToken();
  const old = user.token;
  await house.reset(user);

  const [withOld, withNew] = await run([soap(user, old), soap(user)]);

  assert.equal(withOld.ok, false);
  assert.equal(withNew.ok, true, withNew.message);
  const row = await until(async () => (await house.json(['login', 'history', '--user', user.username]))
    .find((each) => String(each.reason).startsWith('token retired ')), 'the retired token in the history');
  // At a SOAP login jsforce does not name itself; the library below it does.
  assert.match(String(row.client), /jsforce|node-fetch/i);
});

test('a reset ends the session that jsforce holds', { timeout: 240_000 }, async () => {
  const user = await userWithToken();
  const child = spawn(process.execPath, ['--input-type=module', '-e', `
    import jsforce from 'jsforce';
    import { once } from 'node:events';
    const { loginUrl, username, password } = JSON.parse(process.argv[1]);
    const connection = new jsforce.Connection({ loginUrl });
    await connection.login(username, password);
    console.log('logged in');
    await once(process.stdin, 'data');
    try { await connection.request('/services/data/v59.0/'); console.log('alive'); } catch (error) { console.log('dead: ' + error.message); }
    process.exit(0);
  `, JSON.stringify(soap(user))], {
    cwd: new URL('.', import.meta.url).pathname, env: { ...process.env, NODE_EXTRA_CA_CERTS: house.authority },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (piece) => { out += piece; });
  await until(() => out.includes('logged in') || child.exitCode !== null, 'the login');

  await house.reset(user);
  child.stdin.write('go\n');
  await once(child, 'close');

  // On a 401 jsforce logs in again by itself, with what it has: the old token.
  assert.match(out, /dead: Unable to refresh session due to: INVALID_LOGIN/);
});

test('jsforce does not connect without the private authority', { timeout: 240_000 }, async () => {
  const user = await userWithToken();

  const [login] = await run([soap(user)], { NODE_EXTRA_CA_CERTS: '' });

  assert.equal(login.ok, false);
  assert.match(`${login.code} ${login.message}`, /self.signed|unable to (verify|get)|certificate/i);
});
