// Uses bull-board as people do, in headless Chromium, and keeps a picture of each page:
// browse.mjs URL FOLDER IDS, where IDS is JSON with the ids of interesting jobs.
import { chromium } from 'playwright-core';

const [url, folder, json] = process.argv.slice(2);
const ids = JSON.parse(json);
const STATES = ['active', 'waiting', 'waiting-children', 'prioritized', 'completed', 'failed', 'delayed'];

// Without these, Chromium looks for hosts of its maker at every start.
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args });
const page = await browser.newPage({ viewport: { width: 1480, height: 640 } });
page.setDefaultTimeout(8000);
const wrong = [];
page.on('pageerror', (error) => wrong.push(String(error)));
page.on('response', (answer) => {
  if (answer.status() >= 400) wrong.push(`${answer.status()} ${answer.url()}`);
});

const open = (path) => page.goto(url + path, { waitUntil: 'networkidle' });
const see = (text) => page.getByText(text, { exact: true }).first().waitFor();
const keep = (name) => page.screenshot({ path: `${folder}/${name}.png` });

// A job's buttons have no names but in what appears above them.
async function press(name) {
  for (const button of await page.locator('ul[class*=jobActions] button').all()) {
    await button.hover();
    const tip = page.getByText(name, { exact: true });
    if (await tip.waitFor({ timeout: 800 }).then(() => true, () => false)) {
      await button.click();
      return;
    }
  }
  throw new Error(`no button ${name}`);
}
async function confirm(name) {
  await page.getByText('Are you sure').first().waitFor();
  await page.waitForTimeout(400); // until the dialog has faded in
  if (name) await keep(name);
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.waitForLoadState('networkidle');
}
async function openMenu() {
  await page.locator('button[aria-haspopup=menu]').last().click();
}

await open('/');
await see('orders');
await keep('overview');

for (const state of STATES) {
  await open(`/queue/orders?status=${state}`);
  await see('Added at');
  await keep(`tab-${state}`);
}

await open(`/queue/orders/${ids.done}?status=completed`);
await page.getByText('Logs', { exact: true }).first().click();
await page.getByText('page 4 of 4').waitFor();
await keep('job-logs');

await page.setViewportSize({ width: 1480, height: 1040 });
await open(`/queue/mails/${ids.mail}?status=completed`);
await page.getByText('fetch-balances').waitFor();
await keep('job-flow');
await page.setViewportSize({ width: 1480, height: 640 });

await open('/job-schedulers');
await see('nightly-sync');
await keep('schedulers');

await open(`/queue/mails/${ids.bounced}?status=failed`);
await press('Retry');
await confirm('retry');

await open(`/queue/mails/${ids.later}?status=delayed`);
await press('Promote');
await confirm('promote');

await open('/queue/mails?status=completed');
await page.getByText(ids.later).waitFor();
await page.getByText(ids.bounced).waitFor();
await keep('retried-and-promoted');

await open('/queue/mails?status=delayed');
await openMenu();
await page.getByRole('menuitem', { name: 'Pause', exact: true }).click();
await confirm();
await open('/queue/mails?status=delayed');
await openMenu();
await see('Resume');
await keep('paused');

await browser.close();
if (wrong.length) {
  console.error(wrong.join('\n'));
  process.exitCode = 1;
}
