/** What went wrong: at the edge of the window, wherever the page is scrolled to, until it is dealt with. */
import { byId, make } from './dom.js';

/** What a message offers to do about it. */
export interface Remedy {
  readonly label: string;
  readonly act: () => void;
}

export interface MessageOptions {
  readonly remedies?: readonly Remedy[];
  /** What it is about: a later success with the same subject takes it away. */
  readonly subject?: string;
}

const list = byId('messages');

/** Says that something went wrong, what it was, and what can be done. The same is not said twice. */
export function showError(
  title: string,
  error: unknown,
  { remedies = [], subject = '' }: MessageOptions = {},
): void {
  const text = error instanceof Error ? error.message : String(error);
  for (const other of list.querySelectorAll<HTMLElement>('.message')) {
    if (other.dataset.title === title && other.dataset.text === text) other.remove();
  }
  const dismiss = make('button', { type: 'button', class: 'plain' }, 'Dismiss');
  const message = make(
    'div',
    { class: 'message', role: 'alert', 'data-title': title, 'data-text': text, 'data-subject': subject },
    make('div', {}, make('strong', {}, title), make('p', {}, text)),
    make('div', { class: 'buttons' }, ...remedies.map((remedy) => remedyButton(remedy)), dismiss),
  );
  dismiss.addEventListener('click', () => message.remove());
  list.prepend(message);
}

function remedyButton({ label, act }: Remedy): HTMLElement {
  const button = make('button', { type: 'button' }, label);
  button.addEventListener('click', () => {
    button.closest('.message')!.remove();
    act();
  });
  return button;
}

/** What went wrong with this does not hold any more. */
export function solved(subject: string): void {
  for (const message of list.querySelectorAll<HTMLElement>('.message')) {
    if (message.dataset.subject === subject) message.remove();
  }
}

/** Tells those who listen to the page rather than see it. */
export function announce(text: string): void {
  byId('announcer').textContent = text;
}

/** Whether an error is only the end of something that was given up. */
export function isAbort(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'AbortError';
}
