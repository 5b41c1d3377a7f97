import { Form, Link } from "@remix-run/react";
import { Ellipsis } from "lucide-react";
import { closeOnEscape, closeOnLeave } from "~/components/ui/closing";
import { FormToken } from "~/components/ui/forms";
import type { ActionName, ActionView } from "~/presenters/deployments/views";

type Props = {
  version: string;
  /** Path of the deployment's page; confirm steps and actions are below it. */
  href: string;
  actions: readonly ActionView[];
};

/** Actions with a page that says what will change; the others are forms of the deployment's own page. */
const PAGES: Partial<Record<ActionName, string>> = { promote: "promote", confirm: "promote", rollback: "rollback" };

/** Everything that can be done with a deployment. A `details`, so that it opens without JavaScript. */
export function ActionMenu({ version, href, actions }: Props) {
  return (
    <details className="menu" onKeyDown={closeOnEscape} onBlur={closeOnLeave}>
      <summary className="btn ghost icon" aria-label={`Actions for ${version}`}>
        <Ellipsis className="i s" aria-hidden="true" />
      </summary>
      <div className="pop">
        {actions.map((action) => (
          <Item key={action.name} action={action} href={href} />
        ))}
      </div>
    </details>
  );
}

function Item({ action, href }: { action: ActionView; href: string }) {
  if (action.reason !== null) {
    return (
      <span className="item off" role="note" data-action={action.name}>
        {action.label}
        <small>{action.reason}</small>
      </span>
    );
  }
  const page = PAGES[action.name];
  if (page) {
    return (
      <Link className="item" to={`${href}/${page}`} data-action={action.name}>
        {action.label}
      </Link>
    );
  }
  return (
    <Form method="post" action={`${href}?index`}>
      <FormToken intent={action.name} />
      <button type="submit" className={action.danger ? "item danger" : "item"} data-action={action.name}>
        {action.label}
      </button>
    </Form>
  );
}
