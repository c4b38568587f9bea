// Carries out a list of jsforce calls given as JSON on standard input, and prints what came of each.
//
// A process of its own, because Node reads NODE_EXTRA_CA_CERTS only when it starts.

import jsforce from 'jsforce';

let connection;

const calls = {
  async soap({ loginUrl, username, password, version }) {
    connection = new jsforce.Connection({ loginUrl, ...(version ? { version } : {}) });
    const user = await connection.login(username, password);
    return { ...user, accessToken: connection.accessToken, instanceUrl: connection.instanceUrl };
  },
  async oauth({ loginUrl, clientId, clientSecret, username, password }) {
    connection = new jsforce.Connection({ oauth2: { loginUrl, clientId, clientSecret } });
    const user = await connection.login(username, password);
    return { ...user, accessToken: connection.accessToken, instanceUrl: connection.instanceUrl };
  },
  async identity() { return connection.identity(); },
  async resources() { return connection.request(`/services/data/v${connection.version}/`); },
  async soapUserInfo() { return connection.soap?.getUserInfo?.() ?? null; },
  async logout() {
    // jsforce forgets its session here; we keep it, to see that the server has forgotten it too.
    const { accessToken, instanceUrl } = connection;
    await connection.logout();
    Object.assign(connection, { accessToken, instanceUrl });
    return true;
  },
};

let input = '';
for await (const piece of process.stdin) input += piece;
const results = [];
for (const call of JSON.parse(input)) {
  try {
    results.push({ ok: true, value: await calls[call.do](call) });
  } catch (error) {
    results.push({ ok: false, name: error.name, code: error.errorCode ?? error.code, message: error.message });
  }
}
process.stdout.write(JSON.stringify(results));
