import { useEffect, useRef } from "react";

const KEYS: readonly { keys: string[]; does: string }[] = [
  { keys: ["/"], does: "Go to a run, version or task" },
  { keys: ["j", "k"], does: "Move down and up in a list" },
  { keys: ["x"], does: "Select the row" },
  { keys: ["↵"], does: "Open the row" },
  { keys: ["f"], does: "Open the filters" },
  { keys: ["."], does: "Pause or resume updates" },
  { keys: ["?"], does: "Show this list" },
  { keys: ["Esc"], does: "Close what is open" },
];

/** The list of keys; every one of them is an addition to what Tab reaches. */
export function KeysDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (open && !element.open) element.showModal();
    if (!open && element.open) element.close();
  }, [open]);
  return (
    <dialog className="keys" ref={dialog} onClose={onClose} aria-labelledby="keys-title">
      <h2 id="keys-title" className="mb-3">
        Keys
      </h2>
      <dl className="facts">
        {KEYS.map((row) => (
          <div key={row.does} className="contents">
            <dt className="row">
              {row.keys.map((key) => (
                <kbd key={key} className="kbd">
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>{row.does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog" className="mt-4 text-right">
        <button className="btn" type="submit">
          Close
        </button>
      </form>
    </dialog>
  );
}
