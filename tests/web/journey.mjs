// What a household does with the page, in Debian's Chromium at both widths: set-up, a radio meter
// with its key, a tariff, a Green Button file, a consent. axe-core looks at every page; pictures
// of all of them are written to PICTURES.
//
//   node journey.mjs BASE CODE PICTURES
import { readFileSync } from 'node:fs';
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { GAS } from './air.mjs';

const [base, code, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PAGES = ['/', '/welcome', '/more', '/usage', '/usage?span=week', '/usage?span=month&money=true', '/usage?span=year', '/money',
  '/prices', '/appliances', '/devices', '/tariff', '/privacy', '/logs/system', '/logs/consumer', '/logs/calibration', '/settings'];
const faults = [];
let passed = 0;
const done = (what) => { passed += 1; console.log(`ok   ${what}`); };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

async function visitor(width, height, colorScheme, storageState, javaScriptEnabled = true, locale = 'en-GB') {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: false, viewport: { width, height }, colorScheme, storageState, javaScriptEnabled, locale });
  const page = await context.newPage();
  page.on('console', (message) => { if (message.type() === 'error' && !/401|status of 4/.test(message.text())) faults.push(`${width} ${message.text()}`); });
  page.on('pageerror', (error) => faults.push(`${width} ${error}`));
  page.on('request', (request) => { if (!request.url().startsWith(base) && !request.url().startsWith('data:')) faults.push(`a request to ${request.url()}`); });
  return { context, page };
}

async function look(page, name) {
  // The page's own policy lets no script in but its own, so axe is run in a world of its own.
  const client = await page.context().newCDPSession(page);
  const { frameTree } = await client.send('Page.getFrameTree');
  const { executionContextId } = await client.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  await client.send('Runtime.evaluate', { expression: axe, contextId: executionContextId });
  const { result } = await client.send('Runtime.evaluate', {
    expression: 'axe.run(document, { resultTypes: ["violations"] }).then((r) => JSON.stringify(r.violations.map((v) => [v.impact, v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)])))',
    contextId: executionContextId, awaitPromise: true,
  });
  for (const [impact, id, count, html] of JSON.parse(result.value)) {
    const text = `${name}: ${impact} ${id} (${count}): ${html}`;
    if (impact === 'serious' || impact === 'critical') faults.push(text); else console.log(`     ${text}`);
  }
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) faults.push(`${name} is ${over} px too wide`);
  const cut = await page.evaluate(() => [...document.querySelectorAll('h1, h2, a, button, label, .pill, .value, .hero, .level-word, .segments a, .nav span')]
    .filter((one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent.trim().slice(0, 40)));
  for (const text of cut) faults.push(`${name} cuts ${JSON.stringify(text)}`);
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

// First-run set-up, on a phone.
const phone = await visitor(390, 844, 'dark');
await phone.page.goto(`${base}/`);
await look(phone.page, 'setup-390-dark');
await phone.page.goto(`${base}/setup#${code}`);
await phone.page.reload();
await phone.page.goto('about:blank').catch(() => {});
await phone.page.goto(`${base}/setup#${code}`);
assert.equal(await phone.page.inputValue('#code'), code, 'the code of the QR code is in its field');
assert.ok(!phone.page.url().includes(code), 'and no longer in the address');
await phone.page.fill('#name', 'anna');
await phone.page.fill('input[name=password]', 'correct horse battery');
await phone.page.click('button');
await phone.page.waitForURL('**/welcome');
done('first-run set-up');
const state = await phone.context.storageState();

for (const [width, height] of [[390, 844], [1280, 800]]) {
  const { context, page } = await visitor(width, height, 'light', state);
  await page.goto(`${base}/`);
  const power = await page.textContent('.hero');
  assert.match(power, /\d/, 'a power is shown');
  await page.waitForFunction((before) => document.querySelector('.hero').textContent !== before, power, { timeout: 60_000 });
  done(`${width}: the live view follows the meter`);

  // The gas meter's key: a wrong one, then the right one.
  await page.goto(`${base}/devices?number=${GAS.id}`);
  if (width === 390) {
    const offer = page.locator('li', { hasText: GAS.id }).locator('details').first();
    await offer.locator('summary').click();
    await offer.locator('input[name=name]').fill('gas');
    await offer.locator('input[name=key]').fill('FF'.repeat(16));
    await offer.locator('button').click();
    await page.getByText('does not open').waitFor();
    await look(page, `key-wrong-${width}-light`);
    await page.goto(`${base}/devices?number=${GAS.id}`);
    const again = page.locator('#heard li', { hasText: GAS.id }).locator('details').first();
    await again.locator('summary').click();
    await again.locator('input[name=name]').fill('gas');
    await again.locator('input[name=key]').fill(GAS.key);
    await again.locator('button').click();
    await page.getByText('The key is right').waitFor();
    assert.ok(!(await page.content()).includes(GAS.key), 'a key is never shown again');
    await look(page, `key-right-${width}-light`);
    done(`${width}: a key is tried at once; the wrong one is told, the right one opens the telegram`);
  }

  // A tariff with a preview of last week.
  await page.goto(`${base}/tariff`);
  await page.setInputFiles('input[type=file]', { name: 'tariff.toml', mimeType: 'text/plain', buffer: Buffer.from(`version = 1\nname = "Flat ${width}"\ncurrency = "EUR"\nzone = "Europe/Berlin"\n[bands.all]\nlabel = "All day"\nrate = "0.30"\n[[schedule]]\nband = "all"\n`) });
  await page.click('text=Show last week');
  await page.waitForSelector('#preview');
  const cost = await page.textContent('#preview .value');
  assert.match(cost, /^€\d+\.\d\d$/, cost);
  await look(page, `preview-${width}-light`);
  await page.click('text=Use this tariff');
  await page.getByText('is in force').waitFor();
  done(`${width}: a tariff is tried on last week (${cost}) and put in force`);

  // A Green Button file.
  await page.goto(`${base}/usage?span=week`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=Green Button')]);
  const feed = readFileSync(await download.path(), 'utf8');
  assert.ok(feed.includes('<feed xmlns="http://www.w3.org/2005/Atom">') && feed.includes('IntervalReading'), 'a Green Button feed');
  done(`${width}: a Green Button file of ${feed.length} octets`);

  // A consent is taken back and given again.
  await page.goto(`${base}/privacy`);
  const mqtt = () => page.getByRole('switch', { name: 'Home automation' });
  assert.equal(await mqtt().getAttribute('aria-checked'), 'true');
  await mqtt().click();
  await page.waitForLoadState();
  assert.equal(await mqtt().getAttribute('aria-checked'), 'false');
  await page.goto(`${base}/logs/consumer`);
  assert.match(await page.textContent('main'), /anna forbade the recipient mqtt/);
  await page.goto(`${base}/privacy`);
  await mqtt().click();
  await page.waitForLoadState();
  assert.equal(await mqtt().getAttribute('aria-checked'), 'true');
  done(`${width}: a consent is revoked, and the log book says so`);
  await context.close();
}

for (const [width, height] of [[390, 844], [1280, 800]]) {
  for (const scheme of ['dark', 'light']) {
    const { context, page } = await visitor(width, height, scheme, state);
    for (const path of PAGES) {
      await page.goto(base + path);
      await look(page, `${path.replace(/[^a-z]+/g, '-').replace(/^-|-$/g, '') || 'now'}-${width}-${scheme}`);
    }
    await context.close();
  }
  done(`${width}: ${PAGES.length} pages, dark and light, looked at by axe-core`);
}

const bare = await visitor(390, 844, 'dark', state, false);
await bare.page.goto(`${base}/`);
assert.match(await bare.page.textContent('.hero'), /\d/);
await bare.page.goto(`${base}/usage`);
assert.ok(await bare.page.locator('svg rect.bar').count() > 20);
await bare.page.goto(`${base}/privacy`);
await bare.page.getByRole('switch', { name: 'Price servers' }).click();
assert.equal(await bare.page.getByRole('switch', { name: 'Price servers' }).getAttribute('aria-checked'), 'false');
done('the page shows and switches without JavaScript');

// The display's other languages, by what the browser asks for: all pages in the one with the longest
// words, those with the most text in the others.
const WORDY = ['/', '/devices', '/privacy', '/settings'];
for (const [locale, paths, said] of [['de-AT', PAGES, 'Einstellungen'], ['fr-CA', WORDY, 'Réglages'], ['nl-BE', WORDY, 'Instellingen'], ['es-MX', WORDY, 'Ajustes']]) {
  const language = locale.slice(0, 2);
  const { context, page } = await visitor(390, 844, 'dark', state, true, locale);
  for (const path of paths) {
    await page.goto(base + path);
    assert.equal(await page.getAttribute('html', 'lang'), language);
    await look(page, `${language}-${path.replace(/[^a-z]+/g, '-').replace(/^-|-$/g, '') || 'now'}-390-dark`);
  }
  assert.equal(await page.textContent('h1'), said);
  await context.close();
}
done('pages in German, French, Dutch and Spanish on a phone, looked at by axe-core');

// The user's own choice, before the log-in and without JavaScript.
const stranger = await visitor(390, 844, 'light', undefined, false, 'de-DE');
await stranger.page.goto(`${base}/login`);
assert.equal(await stranger.page.textContent('h1'), 'Anmelden');
await stranger.page.selectOption('select[name=lang]', 'fr');
await stranger.page.click('form[action="/language"] button');
assert.equal(await stranger.page.textContent('h1'), 'Se connecter');
await stranger.page.selectOption('select[name=lang]', '');
await stranger.page.click('form[action="/language"] button');
assert.equal(await stranger.page.textContent('h1'), 'Anmelden');
done('a language is chosen at the door and given back to the browser');

await browser.close();
for (const fault of faults) console.log(`FAULT ${fault}`);
console.log(`${passed} passed, ${faults.length} failed, 0 skipped`);
process.exit(faults.length ? 1 : 0);
