import { rmSync } from 'node:fs';

/** Removes what globalSetup made. */
export default function tearDown(): void {
  rmSync(process.env.DEIT_TESTED_PAGE!, { recursive: true, force: true });
}
