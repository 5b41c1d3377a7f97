import { useCallback, useMemo, useState, type ReactNode } from "react";
import { useLocation } from "@remix-run/react";
import { Banner } from "~/components/ui/Banner";
import { LiveProvider, useLive } from "~/hooks/live";
import { useHotkeys } from "~/hooks/useHotkeys";
import { KeysDialog } from "./KeysDialog";
import { Nav } from "./Nav";
import { MENU_BUTTON, TopBar } from "./TopBar";
import type { ShellData, ShellPlace } from "~/presenters/shellView";
import type { Crumb } from "./place";

type Props = { shell: ShellData; place: ShellPlace | null; crumbs: readonly Crumb[]; children: ReactNode };

/** The frame of every signed-in page. */
export function Shell(props: Props) {
  return (
    <LiveProvider>
      <Frame {...props} />
    </LiveProvider>
  );
}

function Frame({ shell, place, crumbs, children }: Props) {
  const [menuOpen, setMenuOpen] = useState(false);
  const [keysOpen, setKeysOpen] = useState(false);
  const { pathname, search } = useLocation();
  const { toggle, mode } = useLive();
  const closeMenu = useCallback(() => setMenuOpen(false), []);
  const hotkeys = useMemo(
    () => ({
      "/": () => document.getElementById("goto")?.focus(),
      ".": () => mode !== "off" && toggle(),
      "?": () => setKeysOpen(true),
      Escape: () => {
        if (menuOpen) document.getElementById(MENU_BUTTON)?.focus();
        closeMenu();
      },
    }),
    [mode, toggle, closeMenu, menuOpen]
  );
  useHotkeys(hotkeys);
  return (
    <div className="app">
      <a className="vh vh-focus" href="#main">
        Skip to content
      </a>
      <Nav shell={shell} place={place} open={menuOpen} onNavigate={closeMenu} />
      <a
        className="scrim"
        href="#main"
        aria-label="Close navigation"
        onClick={(event) => {
          event.preventDefault();
          closeMenu();
        }}
      />
      <div className="main">
        <TopBar place={place} crumbs={crumbs} here={pathname + search} onMenu={() => setMenuOpen(!menuOpen)} menuOpen={menuOpen} />
        {shell.flash ? (
          <div className="px-6 pt-3">
            <Banner kind={shell.flash.kind} title={shell.flash.title} text={shell.flash.text} />
          </div>
        ) : null}
        <main id="main" className="contents">
          {children}
        </main>
      </div>
      <KeysDialog open={keysOpen} onClose={() => setKeysOpen(false)} />
    </div>
  );
}
