// An authenticator app: `oathtool`, which shares no code with the product, makes the codes.

import { execFileSync } from 'node:child_process';
import { until } from './house.mjs';

const STEP = 30;
// A code made now should still be good when it arrives, however slow the machine is.
const MARGIN = 15;

export class Authenticator {
  #last = 0;

  constructor(key) { this.key = key.replaceAll(' ', ''); }

  /** A code that was not made before: the server takes the step before, this one and the next, each once. */
  async code() {
    this.#last = await until(() => {
      const now = Date.now() / 1000;
      const step = Math.floor(now / STEP);
      const earliest = Math.max(this.#last + 1, STEP - (now % STEP) > MARGIN ? step - 1 : step);
      return earliest <= step + 1 && earliest;
    }, 'a time step with an unused code', 3 * STEP * 1000);
    try {
      return execFileSync('oathtool', ['--totp', '--base32', `--now=@${this.#last * STEP}`, this.key], { encoding: 'utf8' }).trim();
    } catch (error) {
      if (error.code === 'ENOENT') throw new Error('oathtool is missing (Debian: apt-get install oathtool)');
      throw error;
    }
  }
}

/** Adds an authenticator app in this browser, by the key as text; leaves the page of the recovery codes. */
export async function enrol(page, name = 'Phone') {
  await page.goto('/setup/second-factors');
  await page.getByRole('button', { name: 'Add Authenticator App', exact: true }).click();
  await page.getByRole('heading', { name: 'Add Authenticator App' }).waitFor();
  const app = new Authenticator(await page.locator('dd .secret').innerText());
  await page.getByLabel('Verification Code').fill(await app.code());
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('heading', { name: 'Your Recovery Codes' }).waitFor();
  return app;
}
