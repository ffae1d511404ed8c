import { quote } from '../../converters/formats/quote.js';
import { UserError } from '../errors.js';
import type { Connection, Subject } from './connection.js';

/** Longest reason of the server's own that a message repeats. */
const MAX_REASON = 200;

/** What the hub's refusal means for the user, by status and by the hub's own `X-Error-Code`. */
export function refusal(connection: Connection, response: Response, subject: Subject): UserError {
  const { repo } = subject;
  const code = response.headers.get('x-error-code');
  const reason = (response.headers.get('x-error-message') ?? '').slice(0, MAX_REASON);
  const { status } = response;
  if (code === 'GatedRepo') return gated(connection, repo);
  if (status === 401 && (/invalid|expired/i.test(reason) || (connection.token && code === null))) {
    return badToken(connection);
  }
  if (code === 'RevisionNotFound') return noRevision(connection, subject);
  if (code === 'EntryNotFound') return noFile(subject);
  if (code === 'RepoNotFound' || status === 401) return noRepo(connection, repo);
  if (status === 404) return subject.path === undefined ? noRepo(connection, repo) : noFile(subject);
  if (status === 403 && reason === '') return gated(connection, repo);
  const said = reason === '' ? '' : `: ${quote(reason)}`;
  return new UserError(`${repo}: the hub answered ${status} ${response.statusText}`.trimEnd() + said);
}

function gated({ endpoint, token, tokenSource, settings }: Connection, repo: string): UserError {
  const page = `${endpoint}/${repo}`;
  const remedy = token
    ? `accept its conditions on ${page} with the account whose token is in ${tokenSource ?? 'use'}, or use another token`
    : `accept its conditions on the hub (${page}) and ${settings.giveToken}`;
  return new UserError(`access to ${repo} is restricted: ${remedy}`);
}

function badToken({ endpoint, token, tokenSource, settings }: Connection): UserError {
  if (!token) return new UserError(`${endpoint}: the hub asks for a token; ${settings.giveToken}`);
  return new UserError(
    `the hub refuses the token${tokenSource ? ` in ${tokenSource}` : ''}: it is wrong or has expired; make a new one on ` +
      `${endpoint}/settings/tokens, or take it away (public models need none)`,
  );
}

function noRepo({ endpoint, token, settings }: Connection, repo: string): UserError {
  const hidden = token
    ? 'is it private, and not open to your token?'
    : `is it private? ${settings.giveToken}`;
  return new UserError(`${repo}: there is no such model on ${endpoint}; check the name (${hidden})`);
}

function noRevision({ endpoint }: Connection, { repo, revision }: Subject): UserError {
  return new UserError(
    `${repo}: has no revision ${quote(revision)}; see ${endpoint}/${repo}/commits for its commits, and write a slash ` +
      'in the name of a branch as %2F',
  );
}

function noFile({ repo, revision, path }: Subject): UserError {
  return new UserError(`${repo}: has no file ${quote(path ?? '')} at revision ${quote(revision)}`);
}
