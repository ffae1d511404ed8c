import { sha256 } from '@noble/hashes/sha2.js';

/** Hides rows and mistakes whose text holds none of what is typed into their filter. The page's only script. */
export const filterScript = `
for (const input of document.querySelectorAll('input[data-filters]')) {
  const scope = document.getElementById(input.dataset.filters);
  const status = input.closest('label').nextElementSibling;
  input.closest('.filter').hidden = false;
  input.addEventListener('input', () => {
    const wanted = input.value.trim().toLowerCase();
    const rows = [...scope.querySelectorAll('tbody tr, li')];
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      if (!row.hidden) shown++;
    }
    status.textContent = wanted ? shown + ' of ' + rows.length : '';
  });
}
`;

/** What a Content-Security-Policy takes for this script and no other. */
export function filterHash(): string {
  const digest = sha256(new TextEncoder().encode(filterScript));
  return `sha256-${btoa(String.fromCharCode(...digest))}`;
}
