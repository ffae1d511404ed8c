/** What comes into the page: dropped, pasted or chosen files, told apart into models and pictures. */
import { byId } from './elements.js';

/** A model as it was given. */
export interface ModelSource {
  /** Shown to the user. */
  readonly title: string;
  /** As loadInWorker takes it. */
  readonly data: string | File | readonly File[];
}

export interface Intake {
  onModel(source: ModelSource): void;
  onPictures(files: readonly File[]): void;
}

const CHECKPOINT = /\.(pth|pt|bin|ckpt|safetensors)$/i;
/** Files of a dropped folder that are looked at; more is not a model, and too many pictures. */
const MAX_FILES = 500;

/** Listens for everything that can be dropped, pasted or chosen. */
export function listen(intake: Intake): void {
  const take = (files: readonly File[]) => sort(files, intake);
  listenForDrops(take);
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  });
  connect('open-file', 'file-input', (files) => {
    for (const file of files) intake.onModel({ title: file.name, data: file });
  });
  connect('open-folder', 'folder-input', (files) => intake.onModel(folderOf(files)));
  connect('choose-picture', 'picture-input', (files) => intake.onPictures(files));
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

function listenForDrops(take: (files: readonly File[]) => void): void {
  const veil = byId('drop-veil');
  let depth = 0;
  const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
  document.addEventListener('dragenter', (event) => {
    if (!carriesFiles(event)) return;
    depth++;
    veil.hidden = false;
  });
  document.addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) veil.hidden = true;
  });
  document.addEventListener('dragover', (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    depth = 0;
    veil.hidden = true;
    if (!event.dataTransfer) return;
    event.preventDefault();
    void droppedFiles(event.dataTransfer).then(take);
  });
}

/** The files of a drop, those in dropped folders too. */
async function droppedFiles(transfer: DataTransfer): Promise<File[]> {
  // Entries and files are there only until the event's handler returns.
  const items = [...transfer.items].map((item) => ({
    entry: item.webkitGetAsEntry?.(),
    file: item.kind === 'file' ? item.getAsFile() : null,
  }));
  const files: File[] = [];
  for (const { entry, file } of items) {
    if (entry?.isDirectory) files.push(...(await filesBelow(entry as FileSystemDirectoryEntry)));
    else if (file) files.push(file);
  }
  return files.length > 0 ? files : [...transfer.files];
}

async function filesBelow(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  // readEntries gives some at a time, and none at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0 || files.length >= MAX_FILES) return files;
    for (const entry of entries) {
      if (!entry.isFile) continue;
      files.push(
        await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)),
      );
    }
  }
}

/** A model.json makes all that came with it a converted folder; else checkpoints are models, and the rest pictures. */
function sort(files: readonly File[], intake: Intake): void {
  if (files.some(({ name }) => name === 'model.json')) {
    intake.onModel(folderOf(files));
    return;
  }
  const models = files.filter(({ name }) => CHECKPOINT.test(name));
  const pictures = files.filter((file) => !models.includes(file));
  for (const file of models) intake.onModel({ title: file.name, data: file });
  if (pictures.length > 0) intake.onPictures(pictures);
}

function folderOf(files: readonly File[]): ModelSource {
  const path = files.find(({ name }) => name === 'model.json')?.webkitRelativePath ?? '';
  return { title: path.split('/')[0] || 'Converted folder', data: files };
}
