import { quote } from '../../converters/formats/quote.js';
import { UserError } from '../errors.js';
import { isInnerPath } from './folderFiles.js';

/** The hub's own address; `HF_ENDPOINT` names another one. */
export const HUB_ENDPOINT = 'https://huggingface.co';

/** What a name points at. */
export interface HubName {
  /** `OWNER/NAME`. */
  readonly repo: string;
  /** A branch, a tag, a commit, or `refs/pr/N`; undefined: the default branch, `main`. */
  readonly revision?: string;
  /** A file or a folder inside the repository. */
  readonly path?: string;
}

const HUB_HOSTS = ['huggingface.co', 'www.huggingface.co', 'hf.co'];
/** First parts of the hub's addresses that are no owner of models. */
const NO_OWNERS = new Set(['api', 'blog', 'collections', 'datasets', 'docs', 'models', 'papers', 'spaces']);
const EXPECTED = 'expected hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME@REVISION/FILE';
/** Revisions that contain a slash as they are; in all others it is written %2F. */
const REVISION_WITH_SLASH = /^refs\/(?:pr|convert)\/[^/]+/;

/** Whether a text names a model on the hub: `hf:…`, or the address of a page there. */
export function isHubName(text: string, endpoint: string = HUB_ENDPOINT): boolean {
  return /^hf:/i.test(text) || hubUrl(text, endpoint) !== undefined;
}

/**
 * Parses `hf:OWNER/NAME[@REVISION][/PATH]`, or the address of a model's page or file on the hub
 * (`https://huggingface.co/OWNER/NAME[/tree|blob|resolve|raw/REVISION[/PATH]]`; the host may be the endpoint's).
 * A slash in a revision is written `%2F`, except in `refs/pr/N`.
 *
 * @throws UserError if it is neither
 */
export function parseHubName(text: string, endpoint: string = HUB_ENDPOINT): HubName {
  const url = hubUrl(text, endpoint);
  const name = url ? parseAddress(text, url, endpoint) : parseShort(text);
  checkRepo(text, name.repo);
  if (name.revision !== undefined) checkRevision(text, name.revision);
  if (name.path !== undefined && !isInnerPath(name.path)) {
    throw new UserError(
      `${quote(text)}: ${quote(name.path)} is not a path of a file in a model; ${EXPECTED}`,
    );
  }
  return name;
}

/** How messages and folders call it: `hf:OWNER/NAME[@REVISION][/PATH]`. */
export function formatHubName({ repo, revision, path }: HubName): string {
  const kept = revision && REVISION_WITH_SLASH.exec(revision)?.[0] === revision;
  const at = revision === undefined ? '' : `@${kept ? revision : revision.replaceAll('/', '%2F')}`;
  return `hf:${repo}${at}${path === undefined ? '' : `/${path}`}`;
}

/** Checks the address of a hub and takes slashes off its end. Throws a UserError if it is no http(s) URL. */
export function parseEndpoint(text: string, setting = 'HF_ENDPOINT'): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username) {
    throw new UserError(`${setting}: expected an http(s) URL such as ${HUB_ENDPOINT}, found ${quote(text)}`);
  }
  return url.href.replace(/\/+$/, '');
}

function hubUrl(text: string, endpoint: string): URL | undefined {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return HUB_HOSTS.includes(url.hostname) || isBelow(url, endpoint) ? url : undefined;
}

function isBelow(url: URL, endpoint: string): boolean {
  const { origin, pathname } = new URL(endpoint);
  return url.origin === origin && url.pathname.startsWith(`${pathname.replace(/\/$/, '')}/`);
}

function parseAddress(text: string, url: URL, endpoint: string): HubName {
  const base = HUB_HOSTS.includes(url.hostname) ? '/' : new URL(endpoint).pathname;
  const parts = url.pathname.slice(base.length).split('/').filter(Boolean).map(decode(text));
  const [owner = '', name = '', kind, ...rest] = parts;
  if (NO_OWNERS.has(owner)) {
    throw new UserError(
      `${quote(text)}: is not the page of a model; expected ${endpoint}/OWNER/NAME or hf:OWNER/NAME`,
    );
  }
  const repo = `${owner}/${name}`;
  if (kind === undefined) return { repo };
  if (!/^(tree|blob|resolve|raw)$/.test(kind) || rest.length === 0) {
    throw new UserError(
      `${quote(text)}: is not the address of a model's files; expected ${endpoint}/OWNER/NAME/tree/REVISION or ` +
        'hf:OWNER/NAME@REVISION',
    );
  }
  const whole = rest.join('/');
  const revision = REVISION_WITH_SLASH.exec(whole)?.[0] ?? rest[0]!;
  const path = whole.slice(revision.length + 1);
  return path === '' ? { repo, revision } : { repo, revision, path };
}

function parseShort(text: string): HubName {
  const found = /^hf:(?:\/\/)?([^/@]+\/[^/@]+)(?:@(.+?))?$/is.exec(text);
  const inner = /^hf:(?:\/\/)?([^/@]+\/[^/@]+)\/(.+)$/is.exec(text);
  if (found) {
    const [, repo = '', tail] = found;
    if (tail === undefined) return { repo };
    const raw = REVISION_WITH_SLASH.exec(tail)?.[0] ?? tail.split('/')[0]!;
    const revision = decode(text)(raw);
    const path = tail.slice(raw.length + 1);
    return tail === raw ? { repo, revision } : { repo, revision, path };
  }
  if (inner) return { repo: inner[1]!, path: inner[2]! };
  throw new UserError(`${quote(text)}: ${EXPECTED}`);
}

const decode = (text: string) => (part: string) => {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new UserError(`${quote(text)}: has a % that starts no encoded character; ${EXPECTED}`);
  }
};

/** The hub's own rules for the names of repositories. */
function checkRepo(text: string, repo: string): void {
  const parts = repo.split('/');
  const sound =
    repo.length <= 96 + 1 + 96 &&
    parts.length === 2 &&
    parts.every((part) => /^\w(?:[\w.-]{0,94}\w)?$/.test(part) && !/--|\.\.|\.git$/.test(part));
  if (sound) return;
  throw new UserError(
    `${quote(text)}: ${quote(repo)} cannot be OWNER/NAME of a model (letters, digits, - _ . and one slash); ${EXPECTED}`,
  );
}

/** Git's rules for the names of revisions, as far as they keep them apart from paths and options. */
function checkRevision(text: string, revision: string): void {
  const sound =
    revision.length <= 200 &&
    isInnerPath(revision) &&
    !/^-|\.\.|[\s~^:?*[]|\.lock$|@\{/.test(revision) &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    !/[\x00-\x1f\x7f]/.test(revision);
  if (sound) return;
  throw new UserError(
    `${quote(text)}: ${quote(revision)} cannot be a revision (a branch, a tag or a commit); ${EXPECTED}`,
  );
}
