/** The page of this package, web/, as `npm run web:build` makes it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../errors.js';
import { type StaticServer, serveFolders } from './staticServer.js';

/** From dist/src/node/web. */
const root = new URL('../../../../', import.meta.url);

/**
 * Serves the page on 127.0.0.1.
 *
 * @throws UserError if the page is not built, or the port is taken
 */
export async function servePage(port: number): Promise<StaticServer> {
  const page = fileURLToPath(new URL('web/dist', root));
  if (!existsSync(`${page}/index.html`)) {
    throw new UserError(`${page}: has no index.html; npm run web:build makes it`);
  }
  // The library is in the package once: the page's own copy is for other servers.
  return serveFolders({ '/lib/': fileURLToPath(new URL('dist/browser', root)), '/': page }, port);
}
