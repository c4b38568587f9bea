// Starts the distribution's Chromium and reads pages with axe-core.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { root } from './house.mjs';

const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const screenshots = path.join(root, 'target', 'screenshots');

export function startChromium() {
  const executablePath = process.env.CHROMIUM
    ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file));
  if (!executablePath) throw new Error('chromium is missing: apt-get install chromium');
  fs.mkdirSync(screenshots, { recursive: true });
  return chromium.launch({
    executablePath,
    headless: true,
    // As root Chromium needs --no-sandbox. The rest keeps it from calling home: nothing but the house is to be asked.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

const LOOKS = [
  { colorScheme: 'light', width: 320 }, { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 320 }, { colorScheme: 'dark', width: 1280 },
];

/** Which page is read under which name; an `xtask` test compares it with the table that the router is made of. */
const pages = JSON.parse(fs.readFileSync(new URL('pages.json', import.meta.url), 'utf8'));

/** That what stands in pages.json under this name is what the browser shows. */
function assertIsPage(name, address) {
  const routes = Object.entries(pages).filter(([, names]) => Array.isArray(names) && names.includes(name)).map(([route]) => route);
  const given = new URL(address).pathname.split('/');
  const fits = (route) => {
    const parts = route.split('/');
    return parts.length === given.length && parts.every((part, at) => part.startsWith('{') || part === given[at]);
  };
  if (routes.length > 0 && !routes.some(fits)) throw new Error(`${name} is to be ${routes.join(' or ')}, not ${address}`);
}

/** Looks at the page in light and dark, narrow and wide; answers every fault that axe-core or the width shows. */
export async function inspect(page, name) {
  assertIsPage(name.replace(/^axe-/, ''), page.url());
  const faults = [];
  for (const { colorScheme, width } of LOOKS) {
    // Without motion, so that no picture and no contrast is taken halfway between two looks.
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 900 });
    await page.screenshot({ path: path.join(screenshots, `${name}-${colorScheme}-${width}.png`), fullPage: true });
    const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
    if (wide > width) faults.push(`${name}, ${colorScheme}, ${width} px: scrolls sideways, ${wide} px wide`);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }));
    for (const { id, impact, help, nodes } of violations) {
      faults.push(`${name}, ${colorScheme}, ${width} px: ${id} (${impact}): ${help}: ${nodes.map((node) => node.target).join(' ')}`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
  await page.setViewportSize({ width: 1280, height: 900 });
  return faults;
}
