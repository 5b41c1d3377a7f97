import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";

type Props = {
  text: string;
  /** What is copied, for the accessible name: "run id". */
  what: string;
  /** `tiny`: the icon alone beside an id; `text`: icon and word; `button`: the same beside the actions of a page. */
  look?: keyof typeof LOOKS;
  /** Word of the button; "Copy" without. */
  label?: string;
};

const LOOKS = { tiny: "btn ghost icon tiny", text: "btn sm ghost", button: "btn" } as const;
const SHOWN_MS = 1_500;

/** Copies `text`. Without JavaScript there is nothing to click, so it appears only once the page is alive. */
export function CopyButton({ text, what, look = "tiny", label = "Copy" }: Props) {
  const [alive, setAlive] = useState(false);
  const [copied, setCopied] = useState(false);
  useEffect(() => setAlive(true), []);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const Icon = copied ? Check : Copy;
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <button
      type="button"
      className={LOOKS[look]}
      style={alive ? undefined : { visibility: "hidden" }}
      aria-label={copied ? `Copied ${what}` : `Copy ${what}`}
      onClick={copy}
    >
      <Icon className={look === "button" ? "i s" : "i xs"} aria-hidden="true" />
      {look === "tiny" ? null : copied ? "Copied" : label}
    </button>
  );
}
