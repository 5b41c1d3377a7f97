import { Form } from "@remix-run/react";
import { closeOnEscape, closeOnLeave } from "./closing";
import { FormToken } from "./forms";

type Props = {
  intent: string;
  id: string;
  /** Accessible name of the first button. */
  label: string;
  /** What revoking does. */
  text: string;
};

/** Two steps: what it does is said before it is done. A `details`, so that it opens without JavaScript. */
export function Revoke({ intent, id, label, text }: Props) {
  return (
    <details className="menu" onKeyDown={closeOnEscape} onBlur={closeOnLeave}>
      <summary className="btn sm danger" aria-label={label}>
        Revoke
      </summary>
      <Form method="post" className="pop ask">
        <FormToken intent={intent} />
        <input type="hidden" name="id" value={id} />
        <p className="soft">{text}</p>
        <div>
          <button type="submit" className="btn sm solid-danger">
            Revoke token
          </button>
        </div>
      </Form>
    </details>
  );
}
