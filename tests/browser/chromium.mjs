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

/** Looks at the page in light and dark, narrow and wide; answers every fault that axe-core or the width shows. */
export async function inspect(page, name) {
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
