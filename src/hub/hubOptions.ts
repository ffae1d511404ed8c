/** What `HubOptions` may hold, as checkOptions asks. */
export const HUB_OPTIONS = {
  revision: 'text',
  signal: 'signal',
  onProgress: 'function',
  onNotice: 'function',
  offline: 'flag',
  stallMs: 'positive',
  pauses: 'any',
} as const;

/** As HUB_OPTIONS, of a page or a web worker. */
export const BROWSER_HUB_OPTIONS = { ...HUB_OPTIONS, cache: 'flag', endpoint: 'any', token: 'any' } as const;
