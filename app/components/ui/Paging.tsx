import { Link } from "@remix-run/react";
import { ChevronLeft, ChevronRight } from "lucide-react";

type PageLinksProps = {
  /** Of one row. */
  noun: string;
  /** Hrefs of the neighbouring pages; null at the ends. */
  newerHref: string | null;
  olderHref: string | null;
};

/** To the neighbouring pages of a list. At its ends they stay where they are and say why they lead nowhere. */
export function PageLinks({ noun, newerHref, olderHref }: PageLinksProps) {
  return (
    <>
      <PageLink href={newerHref} title={`These are the newest ${noun}s`}>
        <ChevronLeft className="i xs" aria-hidden="true" />
        Newer
      </PageLink>
      <PageLink href={olderHref} title={`There are no older ${noun}s`}>
        Older
        <ChevronRight className="i xs" aria-hidden="true" />
      </PageLink>
    </>
  );
}

function PageLink({ href, title, children }: { href: string | null; title: string; children: React.ReactNode }) {
  if (href === null) {
    return (
      <span className="btn sm" aria-disabled="true" title={title}>
        {children}
      </span>
    );
  }
  return (
    <Link className="btn sm" to={href}>
      {children}
    </Link>
  );
}

type NoRowsProps = { noun: string; filters: { active: boolean; clearHref: string } };

/** In place of a table without rows: why, and the way to some. */
export function NoRows({ noun, filters: { active, clearHref } }: NoRowsProps) {
  return (
    <div className="empty">
      <p>{active ? `No ${noun} matches these filters.` : `There are no ${noun}s on this page.`}</p>
      <Link className="btn" to={clearHref}>
        {active ? "Clear filters" : `Show the newest ${noun}s`}
      </Link>
    </div>
  );
}
