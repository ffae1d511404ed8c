import { launchChromium } from '/tmp/wt/page/dist/test/browser/launch.js';
const b = await launchChromium(); 
const p = await b.newPage({ viewport: { width: 1200, height: 900 } });
p.on('console', (m) => console.log(m.text()));
await p.goto('file:///tmp/report.html'); await p.screenshot({ path: '/tmp/r1.png', fullPage: true });
await p.pdf({ path: '/tmp/r.pdf', format: 'A4' });
await b.close();
