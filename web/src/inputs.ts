/** What comes into the page: dropped, pasted or chosen files and addresses, told apart into models and images. */
import { byId } from './dom.js';
import type { GalleryImage } from './gallery.js';
import { announce, showError } from './messages.js';
import type { ModelSource } from './state.js';

export interface InputUser {
  onModel(source: ModelSource): void;
  onImages(images: readonly GalleryImage[]): void;
  /** Images that lie in folders which may be classes. */
  onClassFolders(files: readonly FileAt[]): void;
}

/** A file with its path below what was dropped. */
export interface FileAt {
  readonly file: File;
  /** With forward slashes, e.g. `val/cat/1.jpg`. */
  readonly path: string;
}

const CHECKPOINT = /\.(pth|pt|bin|ckpt|safetensors|npz)$/i;
const IMAGE = /\.(jpe?g|png|webp|gif|avif|bmp)$/i;
/** Files that systems leave in folders, and that are no images. */
const IGNORED = /(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini)$/i;

/** Listens for everything that can be dropped, pasted or chosen. */
export function listenForInputs(user: InputUser): void {
  listenForDrops(user);
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) {
      event.preventDefault();
      sort(files.map(withPath), user);
    } else if (!isTextField(event.target)) takeAddress(event.clipboardData?.getData('text') ?? '', user);
  });
  connect('open-file', 'file-input', (files) => {
    for (const file of files) user.onModel({ title: file.name, data: file });
  });
  connect('open-folder', 'folder-input', (files) => user.onModel(folderOf(files)));
  connect('choose-image', 'image-input', (files) => user.onImages(files.map(imageOf)));
  connect('choose-folder', 'class-folder-input', (files) => sort(files.map(withPath), user));
}

/** Opens a dialog for a button, as if it had been pressed. */
export function ask(button: string): void {
  byId(button).click();
}

function connect(button: string, input: string, use: (files: readonly File[]) => void): void {
  const field = byId<HTMLInputElement>(input);
  byId(button).addEventListener('click', () => field.click());
  field.addEventListener('change', () => {
    const files = [...(field.files ?? [])];
    field.value = ''; // so that the same file can be chosen again
    if (files.length > 0) use(files);
  });
}

function isTextField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, textarea');
}

/** An address by itself: of an image, or of a model. */
export function takeAddress(text: string, user: InputUser): void {
  const address = text.trim().split(/\s/)[0] ?? '';
  if (!/^(https?|data|blob|hf):/i.test(address)) return;
  void openAddress(address, user);
}

async function openAddress(address: string, user: InputUser): Promise<void> {
  const title = lastPart(address);
  if (CHECKPOINT.test(title) || /^hf:/i.test(address)) return user.onModel({ title, data: address });
  announce(`Fetching ${title}`);
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const blob = await response.blob();
    // A converted folder's address gives a page or nothing of use.
    if (!blob.type.startsWith('image/') && !IMAGE.test(title)) return user.onModel({ title, data: address });
    user.onImages([{ name: title, file: new File([blob], title, { type: blob.type }) }]);
  } catch (error) {
    const blocked = error instanceof TypeError;
    const why = blocked
      ? 'the site cannot be reached, or does not let other pages read its files (CORS); save the file, then drop it here'
      : (error as Error).message;
    showError(`${title} could not be fetched`, why);
  }
}

/** Why a text that was typed cannot be fetched by a page; undefined for one that can. */
export function refusal(text: string): string | undefined {
  if (/^(file:|[a-z]:[\\/]|\\\\|~[\\/])/i.test(text))
    return 'a page cannot read a path on this device; choose the file by “Open a checkpoint …”, or drop it here';
  const known = /^(https?:\/\/[^/\s]|data:|blob:|hf:)/i.test(text);
  const isPath = !/^[a-z][a-z\d+.-]*:/i.test(text) && /[/.]/.test(text) && !/\s/.test(text);
  return known || isPath ? undefined : 'is neither a name on the hub (OWNER/NAME) nor an address (https://…)';
}

/** The last part of an address, to name something by. */
export function lastPart(url: string): string {
  if (/^(data|blob):/i.test(url)) return 'pasted image';
  const part = url
    .replace(/[?#].*$/, '')
    .replace(/\/+$/, '')
    .split('/')
    .at(-1)!;
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray %
  }
}

function listenForDrops(user: InputUser): void {
  const veil = byId('drop-veil');
  let depth = 0;
  const isWanted = ({ dataTransfer }: DragEvent) =>
    dataTransfer?.types.some((type) => type === 'Files' || type === 'text/uri-list') ?? false;
  document.addEventListener('dragenter', (event) => {
    if (!isWanted(event)) return;
    depth++;
    veil.hidden = false;
  });
  document.addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) veil.hidden = true;
  });
  document.addEventListener('dragover', (event) => {
    if (isWanted(event)) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    depth = 0;
    veil.hidden = true;
    const { dataTransfer } = event;
    if (!dataTransfer) return;
    event.preventDefault();
    const address = dataTransfer.getData('text/uri-list');
    void droppedFiles(dataTransfer).then((files) => {
      if (files.length > 0) sort(files, user);
      else if (address) takeAddress(address, user);
      else showError('Nothing to open', 'the drop held no file; drop images, a checkpoint or a folder');
    });
  });
}

/** The files of a drop, those in dropped folders too, at any depth. */
async function droppedFiles(transfer: DataTransfer): Promise<FileAt[]> {
  // Entries and files are there only until the event's handler returns.
  const items = [...transfer.items].map((item) => ({
    entry: item.webkitGetAsEntry?.(),
    file: item.kind === 'file' ? item.getAsFile() : null,
  }));
  const files: FileAt[] = [];
  for (const { entry, file } of items) {
    if (entry?.isDirectory) files.push(...(await filesBelow(entry as FileSystemDirectoryEntry, entry.name)));
    else if (file) files.push({ file, path: file.name });
  }
  return files.length > 0 ? files : [...transfer.files].map(withPath);
}

async function filesBelow(folder: FileSystemDirectoryEntry, path: string): Promise<FileAt[]> {
  const reader = folder.createReader();
  const files: FileAt[] = [];
  // readEntries gives some at a time, and none at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return files;
    for (const entry of entries) {
      const at = `${path}/${entry.name}`;
      if (entry.isDirectory) files.push(...(await filesBelow(entry as FileSystemDirectoryEntry, at)));
      else {
        const get = (entry as FileSystemFileEntry).file.bind(entry);
        files.push({ file: await new Promise<File>((resolve, reject) => get(resolve, reject)), path: at });
      }
    }
  }
}

/** A model.json makes all that came with it a converted folder; else checkpoints are models, and the rest images. */
function sort(given: readonly FileAt[], user: InputUser): void {
  const files = given.filter(({ path }) => !IGNORED.test(path));
  if (files.some(({ file }) => file.name === 'model.json')) {
    const all = files.map(({ file }) => file);
    user.onModel(folderOf(all, files));
    return;
  }
  const models = files.filter(({ file }) => CHECKPOINT.test(file.name));
  for (const { file } of models) user.onModel({ title: file.name, data: file });
  const images = files.filter((each) => !models.includes(each));
  if (images.length === 0) {
    if (models.length === 0) showError('Nothing to open', 'the folder is empty');
    return;
  }
  user.onImages(images.map(({ file, path }) => ({ name: shortPath(path), file })));
  if (new Set(images.map(({ path }) => classOf(path)).filter(Boolean)).size > 1) user.onClassFolders(images);
}

/** The folder that an image lies in, which names its class; none for one that lies in no folder. */
export function classOf(path: string): string | undefined {
  return path.split('/').at(-2);
}

const shortPath = (path: string) => path.split('/').slice(-2).join('/');
const withPath = (file: File): FileAt => ({ file, path: file.webkitRelativePath || file.name });
const imageOf = (file: File): GalleryImage => ({ name: file.name, file });

function folderOf(files: readonly File[], at: readonly FileAt[] = files.map(withPath)): ModelSource {
  const path = at.find(({ file }) => file.name === 'model.json')?.path ?? '';
  return { title: path.includes('/') ? path.split('/').at(-2)! : 'Converted folder', data: files };
}
