/** How a `details` that opens over the page closes again: Esc, and leaving it. */

export function closeOnEscape(event: React.KeyboardEvent<HTMLDetailsElement>): void {
  if (event.key !== "Escape") return;
  event.currentTarget.open = false;
  event.currentTarget.querySelector("summary")?.focus();
}

/** Another one, or the page: an open one does not stay over what is below. */
export function closeOnLeave(event: React.FocusEvent<HTMLDetailsElement>): void {
  if (event.relatedTarget !== null && !event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false;
}
