import { CircleX } from "lucide-react";
import { createContext, useContext, type InputHTMLAttributes, type ReactNode } from "react";
import { useNavigation } from "@remix-run/react";

const CsrfContext = createContext("");

/** Forms below send `token`; the server refuses a change without it. */
export const CsrfProvider = CsrfContext.Provider;

/** Hidden fields of every form that changes something: the token, and which of the page's forms it is unless its buttons say so. */
export function FormToken({ intent }: { intent?: string }) {
  const token = useContext(CsrfContext);
  return (
    <>
      <input type="hidden" name="csrf" value={token} />
      {intent === undefined ? null : <input type="hidden" name="intent" value={intent} />}
    </>
  );
}

type FieldProps = InputHTMLAttributes<HTMLInputElement> & { id: string; label: string; help?: ReactNode; error?: string | null };

/** Label above, help and error below, tied to the input. */
export function Field({ id, label, help, error, className = "input", ...input }: FieldProps) {
  const describedBy = [help ? `${id}-help` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ") || undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input {...input} id={id} className={className} aria-invalid={error ? true : undefined} aria-describedby={describedBy} />
      {help ? (
        <span className="help" id={`${id}-help`}>
          {help}
        </span>
      ) : null}
      {error ? <FieldError id={`${id}-error`} text={error} /> : null}
    </div>
  );
}

/** What is wrong with a field, with an icon beside the colour. */
export function FieldError({ id, text }: { id: string; text: string }) {
  return (
    <span className="error" id={id}>
      <CircleX className="i s" aria-hidden="true" />
      {text}
    </span>
  );
}

type SubmitProps = { intent: string; busy: string; children: ReactNode; className?: string; autoFocus?: boolean };

/** Says what it does while its own form is on the way, and cannot be pressed twice. */
export function Submit({ intent, busy, children, className = "btn", autoFocus }: SubmitProps) {
  const navigation = useNavigation();
  const sending = navigation.state !== "idle" && navigation.formData?.get("intent") === intent;
  return (
    <button type="submit" className={className} disabled={sending} autoFocus={autoFocus}>
      {sending ? busy : children}
    </button>
  );
}
