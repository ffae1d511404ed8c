/** The report's style; its colours follow the reader's choice of light or dark. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #faf9f7; --card: #ffffff; --ink: #1d1b22; --soft: #5f5a68; --line: #e2dfe6;
  --bar: #6d4bb8; --gap: #d9642a; --good: #1f7a4d; --bad: #b3372b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #141218; --card: #1d1a23; --ink: #ece9f1; --soft: #a9a3b5; --line: #35303f;
    --bar: #a78bf0; --gap: #f0884f; --good: #6cc79b; --bad: #f08a7e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 70rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 0.35rem; }
p { margin: 0.25rem 0 0.75rem; max-width: 46rem; }
.soft, caption, figcaption { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.75rem; margin: 1.5rem 0 0; padding: 0; }
.tiles div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 0.8rem 1rem; }
.tiles dt { color: var(--soft); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.45rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tiles small { font-size: 0.85rem; color: var(--soft); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; align-items: start; }
figure { margin: 0; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { font-size: 0.9rem; margin-bottom: 0.5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 0.9rem; padding-bottom: 0.4rem; }
th, td { text-align: left; padding: 0.35rem 0.9rem 0.35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > * { border-bottom: 0; }
th { font-weight: 600; }
thead th { color: var(--soft); font-weight: 500; font-size: 0.88rem; }
.n { text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; }
details { margin-top: 0.75rem; }
summary { cursor: pointer; color: var(--soft); }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: 1rem; list-style: none; margin: 1rem 0 0; padding: 0; }
.mistakes li { display: grid; grid-template-columns: auto 1fr; gap: 0.9rem; }
.mistakes li[hidden], tr[hidden], .filter[hidden] { display: none; }
.images { display: grid; gap: 4px; align-content: start; }
.interval { font-size: 0.85rem !important; color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; align-items: center; gap: 0.2rem 1rem; font-size: 0.85rem; color: var(--soft); margin: 0 0 0.3rem; }
.key { display: inline-block; width: 1rem; height: 0.8rem; border-radius: 2px; margin-right: 0.4rem; vertical-align: middle; }
.key.bar { background: var(--bar); }
.key.mark { background: var(--gap); height: 0.25rem; }
.key.line { background: var(--ink); width: 2px; }
.filter { font-size: 0.9rem; }
.filter input { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--soft); border-radius: 6px; padding: 0.25rem 0.5rem; }
.mistakes img { width: 112px; height: 112px; border-radius: 6px; object-fit: cover; image-rendering: auto; display: block; }
.mistakes h3 { font-size: 0.98rem; margin: 0; line-height: 1.3; }
.mistakes .file { font-size: 0.8rem; color: var(--soft); margin: 0.15rem 0 0.4rem; overflow-wrap: anywhere; }
.votes { display: grid; grid-template-columns: auto 1fr auto; gap: 0.1rem 0.6rem; font-size: 0.86rem; margin: 0; align-items: baseline; }
.votes dt { color: var(--soft); }
.votes dd { margin: 0; }
.votes .wide { grid-column: span 2; }
@media (min-width: 62rem) {
  .images { grid-template-columns: auto auto; }
  .mistakes img { width: 96px; height: 96px; }
}
@media (max-width: 30rem) {
  .mistakes img { width: 80px; height: 80px; }
  .votes { grid-template-columns: auto 1fr; }
  .votes dd.n { grid-column: 2; text-align: left; margin-bottom: 0.2rem; }
}
.right { color: var(--good); }
.wrong { color: var(--bad); }
.stages { display: flex; height: 1.4rem; border-radius: 6px; overflow: hidden; margin: 0.75rem 0; gap: 2px; }
.stages span { min-width: 2px; }
.stage0 { background: var(--soft); }
.stage1 { background: var(--gap); }
.stage2 { background: var(--bar); }
.swatch { display: inline-block; width: 0.75em; height: 0.75em; border-radius: 2px; margin-right: 0.5em; }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.88rem; }
@media print {
  @page { margin: 1.4cm; }
  :root { color-scheme: light; font-size: 11px; }
  body { max-width: none; padding: 0 1px; background: none; font-size: 1rem; }
  /* Colours are what these are made of; browsers leave out backgrounds. */
  .key, .swatch, .stages span { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { margin-top: 1.2rem; break-after: avoid; }
  p.soft { break-after: avoid; }
  .filter, summary { display: none; }
  .card, .tiles div { padding: 0.4rem 0.6rem; }
  .tiles { grid-template-columns: repeat(6, 1fr); }
  .tiles dd { font-size: 1.1rem; }
  .pair { grid-template-columns: 1fr 1fr; }
  .pair svg { max-height: 21rem; }
  tbody tr:first-child { break-after: avoid; }
  tbody tr:last-child { break-before: avoid; }
  .mistakes { grid-template-columns: 1fr 1fr; gap: 0.4rem; }
  .mistakes img { width: 56px; height: 56px; }
  th, td { padding-top: 0.2rem; padding-bottom: 0.2rem; }
  .images { grid-template-columns: auto auto; }
  figure, tr, .mistakes li, .tiles div { break-inside: avoid; }
}
`;
