import { byId, make } from './elements.js';

/** What a message offers to do about it. */
export interface Remedy {
  readonly label: string;
  readonly act: () => void;
}

const list = byId('messages');

/** Says that something went wrong, what it was, and what can be done; it stays until it is dismissed or solved. */
export function showError(title: string, error: unknown, remedies: readonly Remedy[] = []): void {
  const message = make('div', { class: 'message' });
  const dismiss = make('button', { type: 'button', class: 'plain' }, 'Dismiss');
  dismiss.addEventListener('click', () => message.remove());
  const buttons = remedies.map(({ label, act }) => {
    const button = make('button', { type: 'button' }, label);
    button.addEventListener('click', () => {
      message.remove();
      act();
    });
    return button;
  });
  const text = error instanceof Error ? error.message : String(error);
  message.append(
    make('div', {}, make('strong', {}, title), make('p', {}, text)),
    make('div', { class: 'buttons' }, ...buttons, dismiss),
  );
  list.replaceChildren(message);
}

/** What went wrong does not hold any more. */
export function clearErrors(): void {
  list.replaceChildren();
}

/** Tells those who listen to the page rather than see it. */
export function announce(text: string): void {
  byId('announcer').textContent = text;
}

/** Whether an error is only the end of something that was given up. */
export function isAbort(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'AbortError';
}
