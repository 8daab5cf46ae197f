/** app: what the pages share, and may ask of the frame around them. */

import type { LiveStatus } from "../live/live";
import type { Announcer } from "../dom";
import type { Painter } from "../draw/painter";
import type { Theme } from "../draw/theme";
import type { View } from "../model/view";

export interface App {
    readonly theme: Theme;
    readonly announcer: Announcer;
    readonly painter: Painter;
    /** Show another page; it gets an entry in the history. */
    go(view: View): void;
    /** Say in the address bar how the page that is shown has changed. */
    note(view: View): void;
    title(text: string): void;
    status(status: LiveStatus): void;
    paused(): boolean;
}

export interface Page {
    readonly element: HTMLElement;
    /** A key that no field or chart took; true if it was one of the page's. */
    key(key: string): boolean;
    /** Drawing goes on again after a pause. */
    resume(): void;
    retry(): void;
    close(): void;
}
