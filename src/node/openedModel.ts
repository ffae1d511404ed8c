import type { Conversion } from '../../converters/convert.js';
import type { FolderFiles } from '../hub/folderFiles.js';
import { type FamilySource, requireVit } from '../models/familySource.js';
import type { StoredModel } from '../models/layersModelFolder.js';

/** A model to be loaded; close it when its weights have been read. */
export interface OpenedModel<Source = StoredModel | Conversion> {
  readonly source: Source;
  close(): Promise<void>;
}

export const nothingToClose = async (): Promise<void> => {};

/** A model that `open` makes of files: closing it closes them, as does a failure. */
export async function openedFrom<Source>(
  files: FolderFiles,
  open: () => Promise<Source>,
): Promise<OpenedModel<Source>> {
  try {
    return { source: await open(), close: () => files.close() };
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** The same model, if it is a vision transformer; another is closed, and a UserError. */
export async function onlyVit<Source extends FamilySource>(
  opened: OpenedModel<Source>,
  name: string,
): Promise<OpenedModel<Extract<Source, { family: 'vit' }>>> {
  try {
    return { ...opened, source: requireVit(opened.source, name) };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
