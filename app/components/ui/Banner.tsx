import { CircleCheck, CircleX, Info, TriangleAlert, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

/** `ok`: what was asked for is done; `bad`: it was not; `hold`: held back; `run`: something to know. */
export type BannerKind = "ok" | "bad" | "hold" | "run";

const ICONS: Record<BannerKind, LucideIcon> = { ok: CircleCheck, bad: CircleX, hold: TriangleAlert, run: Info };

/** One bold sentence, one that explains, at most two actions (children). Announced, because it answers an action. */
export function Banner({ kind, title, text, children }: { kind: BannerKind; title: string; text?: ReactNode; children?: ReactNode }) {
  const Icon = ICONS[kind];
  return (
    <div className={`banner c-${kind}`} role={kind === "bad" ? "alert" : "status"}>
      <Icon className="i" aria-hidden="true" />
      <div className="grow">
        <b>{title}</b>
        {text ? <p>{text}</p> : null}
      </div>
      {children ? <div className="acts">{children}</div> : null}
    </div>
  );
}
